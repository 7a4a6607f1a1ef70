//! When a client recorded nothing: what a journal needs to say since when a program was not running.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Seconds of a day; UTC as computers count it has no leap seconds.
pub(crate) const DAY: u32 = 86_400;

/// A time without a record is worth remembering from this many seconds on.
const SHORTEST: u32 = 10;

/// Which seconds of a day have a record.
#[derive(Clone, Debug)]
pub(crate) struct Seconds {
    bits: Vec<u64>,
}

impl Seconds {
    pub(crate) fn new() -> Self {
        Self {
            bits: vec![0; DAY.div_ceil(64) as usize],
        }
    }

    pub(crate) fn insert(&mut self, second: u32) {
        if let Some(word) = self.bits.get_mut(second as usize / 64) {
            *word |= 1 << (second % 64);
        }
    }

    fn contains(&self, second: u32) -> bool {
        let word = self.bits.get(second as usize / 64);
        word.is_some_and(|word| word >> (second % 64) & 1 == 1)
    }

    /// The times of at least ten seconds without a record: from this second on, before that one.
    pub(crate) fn quiet(&self) -> Vec<(u32, u32)> {
        let mut quiet = Vec::new();
        let mut from = 0;
        for second in 0..=DAY {
            if second == DAY || self.contains(second) {
                if second - from >= SHORTEST {
                    quiet.push((from, second));
                }
                from = second + 1;
            }
        }
        quiet
    }
}

/// The days of one client, and their quiet times.
#[derive(Clone, Debug, Default)]
pub(crate) struct QuietTimes {
    days: BTreeMap<Date, Vec<(u32, u32)>>,
}

impl QuietTimes {
    pub(crate) fn insert(&mut self, day: Date, quiet: Vec<(u32, u32)>) {
        self.days.insert(day, quiet);
    }

    /// When the client's last record before `moment` was, to about ten seconds; none if no day knows of one.
    pub(crate) fn last_record(&self, moment: Timestamp) -> Option<Timestamp> {
        let (today, second) = day_and_second(moment);
        let days = self.days.range(..=today).rev();
        for (&day, quiet) in days {
            let second = if day == today { second } else { DAY };
            let around = quiet
                .iter()
                .find(|&&(from, to)| from <= second && second <= to);
            match around {
                Some((0, _)) => {}
                Some(&(from, _)) => return Some(at(day, from)),
                None if day == today => return Some(moment),
                None => return Some(at(day, DAY)),
            }
        }
        None
    }

    /// When the first record was, to about ten seconds.
    pub(crate) fn first_record(&self) -> Option<Timestamp> {
        let (&day, quiet) = self.days.first_key_value()?;
        match quiet.first() {
            Some(&(0, second)) => Some(at(day, second)),
            _ => Some(at(day, 0)),
        }
    }
}

/// The day of a moment in UTC and the second in it.
pub(crate) fn day_and_second(moment: Timestamp) -> (Date, u32) {
    let utc = moment.to_zoned(TimeZone::UTC);
    let second = moment.as_second().rem_euclid(i64::from(DAY));
    (utc.date(), u32::try_from(second).unwrap_or_default())
}

/// A second of a day in UTC as a moment; the ends of time for days that have none.
pub(crate) fn at(day: Date, second: u32) -> Timestamp {
    let midnight = day.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
    midnight
        .and_then(|midnight| midnight.checked_add(SignedDuration::from_secs(second.into())))
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn quiet(seconds: &[u32]) -> Vec<(u32, u32)> {
        let mut set = Seconds::new();
        for &second in seconds {
            set.insert(second);
        }
        set.quiet()
    }

    #[test]
    fn quiet_times_are_ten_seconds_or_longer() {
        assert_eq!(quiet(&[]), [(0, DAY)]);
        assert_eq!(quiet(&(0..DAY).collect::<Vec<_>>()), []);
        // Nine quiet seconds before the first and between, ten after the second.
        let mut seconds = vec![9, 19];
        seconds.extend(30..DAY);
        assert_eq!(quiet(&seconds), [(20, 30)]);
        assert_eq!(quiet(&[100]), [(0, 100), (101, DAY)]);
    }

    #[test]
    fn the_last_record_is_looked_for_back_to_the_days_before() {
        let (first, second, third) = (date(2026, 10, 1), date(2026, 10, 2), date(2026, 10, 3));
        let mut times = QuietTimes::default();
        times.insert(first, quiet(&[100, 5000]));
        times.insert(second, vec![(0, DAY)]);
        times.insert(third, vec![(0, 50), (200, 300)]);
        let last = |day, second| times.last_record(at(day, second));
        assert_eq!(last(third, 250), Some(at(third, 200)));
        // Somewhere in the last ten seconds.
        assert_eq!(last(third, 150), Some(at(third, 150)));
        // Nothing on this day before, nothing on the day before.
        assert_eq!(last(third, 20), Some(at(first, 5001)));
        assert_eq!(last(first, 90), None);
        assert_eq!(times.first_record(), Some(at(first, 100)));
        assert_eq!(QuietTimes::default().first_record(), None);
    }
}
