//! A calendar month in UTC.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::row::MICROS_A_DAY;

/// A calendar month in UTC, `2026-10`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(Date);

/// A text is not a month.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a month is written like 2026-10, not {0:?}")]
pub struct ParseMonthError(String);

impl FromStr for Month {
    type Err = ParseMonthError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let day: Option<Date> = (text.len() == 7)
            .then(|| format!("{text}-01").parse().ok())
            .flatten();
        day.filter(|day| day.year() >= 1)
            .map(Self)
            .ok_or_else(|| ParseMonthError(text.to_owned()))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

impl Month {
    /// The month of a moment.
    pub fn of(moment: Timestamp) -> Self {
        Self(moment.to_zoned(TimeZone::UTC).date().first_of_month())
    }

    /// So many months earlier.
    #[must_use]
    pub fn minus(self, months: u32) -> Self {
        // The first month of all is before anything that was recorded.
        let earlier = self.0.checked_sub(i64::from(months).months());
        Self(earlier.unwrap_or(Date::constant(1, 1, 1)))
    }

    /// Its first day.
    pub fn first_day(self) -> Date {
        self.0
    }

    /// Days since 1970-01-01: the first, and the first of the next month.
    pub fn days(self) -> Range<i32> {
        let first = days_since_1970(self.0);
        first..first + i32::from(self.0.days_in_month())
    }

    /// Microseconds since 1970-01-01T00:00:00Z: its first, and the first of the next month.
    pub fn micros(self) -> Range<i64> {
        let Range { start, end } = self.days();
        let micros = |day| i64::from(day) * MICROS_A_DAY;
        micros(start)..micros(end)
    }
}

/// Days since 1970-01-01.
pub(crate) fn days_since_1970(day: Date) -> i32 {
    let epoch = Date::constant(1970, 1, 1);
    day.since(epoch).map_or(0, |span| span.get_days())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_read_and_has_its_days() {
        let february: Month = "2028-02".parse().unwrap();
        assert_eq!(february.to_string(), "2028-02");
        assert_eq!(february.days().len(), 29);
        let second = |micros: i64| Timestamp::from_microsecond(micros).unwrap().to_string();
        assert_eq!(second(february.micros().start), "2028-02-01T00:00:00Z");
        assert_eq!(second(february.micros().end), "2028-03-01T00:00:00Z");
        assert_eq!(february.minus(3).to_string(), "2027-11");
        let leap = "2028-02-29T23:59:59.999999Z".parse().unwrap();
        assert_eq!(Month::of(leap), february);
        for bad in ["2026-13", "2026-1", "2026-10-01", "october", "", "0000-01"] {
            assert!(bad.parse::<Month>().is_err(), "{bad}");
        }
    }
}
