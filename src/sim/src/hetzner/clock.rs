//! Two clocks: tokio's, which tests may pause, and the time of day that is written into answers.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The time of day, carried on by tokio's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    origin: Timestamp,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
            origin: Timestamp::now(),
        }
    }

    /// The time of day at a moment, for a clock that is wrong by `skew`. In whole seconds, as the API has it.
    pub(crate) fn at(&self, moment: Instant, skew: SignedDuration) -> Timestamp {
        let passed = moment.saturating_duration_since(self.start);
        let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
        let time = self
            .origin
            .saturating_add(passed)
            .and_then(|time| time.saturating_add(skew));
        let second = time.unwrap_or(self.origin).as_second();
        Timestamp::from_second(second).unwrap_or(self.origin)
    }
}

/// Hours that were started in this time; at least one.
pub(crate) fn started_hours(time: Duration) -> u64 {
    const HOUR: u64 = 3600;
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    seconds.div_ceil(HOUR).max(1)
}
