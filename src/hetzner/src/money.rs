//! Amounts of money, exactly.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Mul};
use std::str::FromStr;

/// Digits after the point that are kept. The API writes up to 16.
const DIGITS: usize = 18;
const ONE: i128 = 1_000_000_000_000_000_000;

/// An amount in the currency of the project, for example euros; exact to 18 digits after the point.
///
/// Displays at least two digits after the point, and as many more as there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i128);

/// The text is not a decimal number, or has more digits than are kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an amount")]
pub struct MoneyError(String);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The amount in hundredths, for example cents; halves are rounded away from zero.
    pub fn cents(self) -> i128 {
        let cent = ONE / 100;
        (self.0 + self.0.signum() * cent / 2) / cent
    }

    /// Rounded to hundredths.
    #[must_use]
    pub fn rounded(self) -> Self {
        Self(self.cents() * (ONE / 100))
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || MoneyError(text.to_owned());
        let (sign, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        // 18 digits before the point and 18 after it fit.
        if !digits(whole) || !digits(fraction) || whole.len() > DIGITS || fraction.len() > DIGITS {
            return Err(error());
        }
        let scaled: i128 = format!("{whole}{fraction:0<DIGITS$}")
            .parse()
            .map_err(|_| error())?;
        Ok(Self(sign * scaled))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, fraction) = (self.0.abs() / ONE, self.0.abs() % ONE);
        let fraction = format!("{fraction:0DIGITS$}");
        let trimmed = fraction.trim_end_matches('0');
        f.pad(&format!("{sign}{whole}.{trimmed:0<2}"))
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Mul<u32> for Money {
    type Output = Self;

    fn mul(self, times: u32) -> Self {
        Self(self.0 * i128::from(times))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().expect("an amount")
    }

    #[test]
    fn adds_what_floating_point_cannot() {
        let monthly: Money = ["8.49", "17.49", "15.49", "0.50", "0.50", "0.50"]
            .map(money)
            .into_iter()
            .sum();
        assert_eq!(monthly.to_string(), "42.97");
        assert_eq!(money("0.0572") * 10, money("0.572"));
        assert_eq!((money("0.1") + money("0.2")).to_string(), "0.30");
    }

    #[test]
    fn reads_what_the_api_writes() {
        for (text, shown) in [
            ("1.1900000000000000", "1.19"),
            ("0.0088", "0.0088"),
            ("0.0000000000000001", "0.0000000000000001"),
            ("19", "19.00"),
            ("-0.5", "-0.50"),
        ] {
            assert_eq!(money(text).to_string(), shown);
        }
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "1,5",
            "1e3",
            "+1",
            "--1",
            "1.0000000000000000001",
            "1234567890123456789",
        ] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
    }

    #[test]
    fn rounds_halves_away_from_zero() {
        assert_eq!(money("0.005").cents(), 1);
        assert_eq!(money("0.0049999").cents(), 0);
        assert_eq!(money("-0.005").cents(), -1);
        assert_eq!(money("2.345").rounded().to_string(), "2.35");
    }
}
