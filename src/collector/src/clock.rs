//! The time of day of a moment that was taken from the monotonic clock.
//!
//! Searches are stamped when they are read, with the monotonic clock. Here the stamps become times of
//! day. When somebody sets the system clock, or a laptop has slept, the two clocks part: that is
//! noticed and reported, so that a study can tell a step in the clock from a gap in the data.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// Clocks that part by more than this have been set; less is their ordinary drift.
const JUMP: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct WallClock {
    instant: Instant,
    /// The time of day at `instant`, in microseconds since 1970.
    micros: i64,
}

impl WallClock {
    pub(crate) fn new(instant: Instant, now: Timestamp) -> Self {
        Self {
            instant,
            micros: now.as_microsecond(),
        }
    }

    /// The time of day of a moment, in microseconds since 1970.
    pub(crate) fn micros_at(&self, moment: Instant) -> i64 {
        let after = micros(moment.saturating_duration_since(self.instant));
        let before = micros(self.instant.saturating_duration_since(moment));
        self.micros + after - before
    }

    /// Follows the system clock. Gives the microseconds by which it has jumped, if it has.
    pub(crate) fn follow(&mut self, instant: Instant, now: Timestamp) -> Option<i64> {
        let parted = now.as_microsecond() - self.micros_at(instant);
        *self = Self::new(instant, now);
        (parted.unsigned_abs() > micros(JUMP).unsigned_abs()).then_some(parted)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_790_000_000_000_000;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_microsecond(micros).unwrap()
    }

    #[test]
    fn moments_become_times_of_day_on_both_sides() {
        let start = Instant::now() + Duration::from_mins(1);
        let clock = WallClock::new(start, at(NOON));
        assert_eq!(clock.micros_at(start + Duration::from_micros(5)), NOON + 5);
        assert_eq!(clock.micros_at(start - Duration::from_micros(5)), NOON - 5);
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_once_and_drift_is_not() {
        let start = Instant::now();
        let mut clock = WallClock::new(start, at(NOON));
        let later = start + Duration::from_secs(1);
        assert_eq!(clock.follow(later, at(NOON + 1_000_500)), None);
        assert_eq!(clock.micros_at(later), NOON + 1_000_500);

        let later = later + Duration::from_secs(1);
        let hour = 3_600_000_000;
        assert_eq!(
            clock.follow(later, at(NOON + 2_000_500 - hour)),
            Some(-hour)
        );
        assert_eq!(clock.micros_at(later), NOON + 2_000_500 - hour);
        assert_eq!(clock.follow(later, at(NOON + 2_000_500 - hour)), None);
    }
}
