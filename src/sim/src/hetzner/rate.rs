//! The rate limit: a bucket that holds an hour's requests and is refilled all the time.

use std::time::Duration;

use tokio::time::Instant;

use super::pace::Rate;

const HOUR: f64 = 3600.0;

#[derive(Debug)]
pub(crate) struct Bucket {
    per_hour: u32,
    tokens: f64,
    filled: Instant,
}

/// What the headers of an answer say about the bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Level {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// Until the bucket is full again.
    pub(crate) full_in: Duration,
}

impl Bucket {
    pub(crate) fn full(rate: Rate, now: Instant) -> Self {
        let Rate { per_hour } = rate;
        Self {
            per_hour,
            tokens: f64::from(per_hour),
            filled: now,
        }
    }

    pub(crate) fn drain(&mut self, now: Instant) {
        self.refill(now);
        self.tokens = 0.0;
    }

    /// Takes one request out. False if there was none.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the limit"
    )]
    pub(crate) fn level(&self) -> Level {
        let missing = f64::from(self.per_hour) - self.tokens;
        Level {
            limit: self.per_hour,
            remaining: self.tokens as u32,
            full_in: Duration::from_secs_f64((missing / self.each_second()).max(0.0)),
        }
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.tokens = (self.tokens + passed * self.each_second()).min(f64::from(self.per_hour));
    }

    fn each_second(&self) -> f64 {
        f64::from(self.per_hour.max(1)) / HOUR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_bucket_gives_one_request_a_second() {
        let start = Instant::now();
        let mut bucket = Bucket::full(Rate { per_hour: 3600 }, start);
        assert_eq!((0..4000).filter(|_| bucket.take(start)).count(), 3600);
        let level = bucket.level();
        assert_eq!((level.remaining, level.full_in.as_secs()), (0, 3600));
        let soon = start + Duration::from_millis(900);
        assert!(!bucket.take(soon));
        let later = start + Duration::from_secs(10);
        assert_eq!((0..20).filter(|_| bucket.take(later)).count(), 10);
        assert_eq!(
            Bucket::full(Rate { per_hour: 7 }, start).level().remaining,
            7
        );
    }
}
