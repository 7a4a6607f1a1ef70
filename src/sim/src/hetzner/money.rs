//! Euros as the API writes them: decimal strings, without rounding on the way.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Digits after the point that are kept; the catalogue's prices have four.
const DIGITS: usize = 10;
const ONE: u64 = 10_u64.pow(DIGITS as u32);

/// An amount of money, in the project's currency. On the wire a decimal string.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(u64);

impl Money {
    /// Reads `8.49`; nothing where it is not a decimal number of at least 0.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || fraction.len() > DIGITS || !digits(whole) || !digits(fraction) {
            return None;
        }
        let fraction: u64 = format!("{fraction:0<DIGITS$}").parse().ok()?;
        let whole = whole.parse::<u64>().ok()?.checked_mul(ONE)?;
        whole.checked_add(fraction).map(Self)
    }

    /// So many times as much.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// One of so many equal parts.
    #[must_use]
    pub fn divided_by(self, parts: u64) -> Self {
        Self(self.0.checked_div(parts).unwrap_or_default())
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:0DIGITS$}", self.0 / ONE, self.0 % ONE);
        let cents = text.len() - DIGITS + 2;
        let (sure, rest) = text.split_at(cents);
        write!(formatter, "{sure}{}", rest.trim_end_matches('0'))
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not an amount of money")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_what_the_api_writes() {
        for text in ["8.49", "0.0572", "0.50", "237.99", "0.00"] {
            assert_eq!(Money::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            ".5",
            "-1",
            "1e3",
            "1.00000000001",
            "99999999999999999999",
        ] {
            assert_eq!(Money::parse(text), None, "{text}");
        }
    }

    #[test]
    fn counts_without_rounding() {
        let price = Money::parse("0.0008").unwrap();
        assert_eq!(price.times(624).to_string(), "0.4992");
        let day = Money::parse("0.0572").unwrap().divided_by(720);
        assert_eq!(day.to_string(), "0.0000794444");
    }
}
