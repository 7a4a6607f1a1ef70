//! The requests that a project has left, shared by all clones of a client.
//!
//! The API refills a bucket continuously and tells with every answer what is left (section "Rate
//! Limiting" of the reference). Others drink from the same bucket: cloud controllers, storage drivers,
//! people. So we burst while there is plenty, keep to the speed of the refill when a reserve is
//! reached, and stop together when the bucket is empty.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

/// Requests an hour, until an answer tells; what Hetzner gives by default.
const DEFAULT_LIMIT: u32 = 3600;
/// The part of the limit that is left to others: below it we keep to the speed of the refill.
const RESERVE: f64 = 0.1;
const HOUR: f64 = 3600.;
/// After the first refusal, doubled with each that follows.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What is known of the budget.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// Requests an hour, for the whole project.
    pub limit: u32,
    /// Requests that were left at the last answer, for the whole project; `None` before the first one.
    pub remaining: Option<u32>,
    /// When all of them are there again.
    pub reset: Option<Timestamp>,
    /// Requests that this client sent.
    pub calls: u64,
    /// Requests that were refused because none were left.
    pub refused: u64,
}

/// What an answer says about the bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Told {
    limit: Option<u32>,
    remaining: Option<u32>,
    reset: Option<i64>,
}

impl Told {
    pub(crate) fn by(headers: &HeaderMap) -> Self {
        fn read<T: std::str::FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
            headers.get(name)?.to_str().ok()?.trim().parse().ok()
        }
        Self {
            limit: read(headers, "ratelimit-limit").filter(|limit| *limit > 0),
            remaining: read(headers, "ratelimit-remaining"),
            reset: read(headers, "ratelimit-reset"),
        }
    }
}

/// The bucket as we believe it to be. It has no clock: the moment is given.
#[derive(Debug)]
struct Bucket {
    budget: Budget,
    /// What is left, without what is on its way.
    left: f64,
    /// When `left` was computed.
    at: Instant,
    /// Requests without an answer yet.
    on_their_way: u32,
    last_sent: Option<Instant>,
    paused_until: Instant,
    pause: Option<Duration>,
}

impl Bucket {
    fn new(now: Instant) -> Self {
        Self {
            budget: Budget {
                limit: DEFAULT_LIMIT,
                remaining: None,
                reset: None,
                calls: 0,
                refused: 0,
            },
            left: f64::from(DEFAULT_LIMIT),
            at: now,
            on_their_way: 0,
            last_sent: None,
            paused_until: now,
            pause: None,
        }
    }

    /// Between two requests at the speed of the refill.
    fn spacing(&self) -> Duration {
        Duration::from_secs_f64(HOUR / f64::from(self.budget.limit))
    }

    fn refill(&mut self, now: Instant) {
        let limit = f64::from(self.budget.limit);
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * limit / HOUR;
        self.left = (self.left + gained).min(limit);
        self.at = now;
    }

    /// Takes a request out, or says when to ask again.
    fn take(&mut self, now: Instant) -> Result<(), Instant> {
        if now < self.paused_until {
            return Err(self.paused_until);
        }
        self.refill(now);
        if self.left <= f64::from(self.budget.limit) * RESERVE
            && let Some(last) = self.last_sent
            && now < last + self.spacing()
        {
            return Err(last + self.spacing());
        }
        self.left = (self.left - 1.).max(0.);
        self.on_their_way += 1;
        self.budget.calls += 1;
        self.last_sent = Some(now);
        Ok(())
    }

    /// An answer came, or will not.
    fn answered(&mut self) {
        self.on_their_way = self.on_their_way.saturating_sub(1);
    }

    /// Believes what an answer says, less what the API may not have counted yet.
    fn believe(&mut self, now: Instant, told: Told) {
        self.refill(now);
        self.budget.limit = told.limit.unwrap_or(self.budget.limit);
        if let Some(remaining) = told.remaining {
            self.budget.remaining = Some(remaining);
            self.left = (f64::from(remaining) - f64::from(self.on_their_way)).max(0.);
        }
        if let Some(reset) = told.reset {
            self.budget.reset = Timestamp::from_second(reset).ok();
        }
    }

    /// A request was let through: what comes next may start with a short pause again.
    fn accepted(&mut self, now: Instant) {
        if now >= self.paused_until {
            self.pause = None;
        }
    }

    /// A request was refused; everybody pauses. What was on its way at that moment counts once.
    fn refused(&mut self, now: Instant) -> Option<Duration> {
        self.budget.refused += 1;
        self.left = 0.;
        self.at = now;
        if now < self.paused_until {
            return None;
        }
        let pause = self
            .pause
            .map_or(FIRST_PAUSE, |last| (last * 2).min(LONGEST_PAUSE));
        self.pause = Some(pause);
        self.paused_until = now + pause;
        Some(pause)
    }
}

/// The gate that every request passes.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    bucket: Arc<Mutex<Bucket>>,
    /// Whoever waits, waits in a line: the lock is fair, and only the first one has a timer.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            bucket: Arc::new(Mutex::new(Bucket::new(Instant::now()))),
            turn: Arc::default(),
        }
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn budget(&self) -> Budget {
        self.bucket().budget.clone()
    }

    /// Waits until a request may be sent.
    pub(crate) async fn pass(&self) -> Pass<'_> {
        let _turn = self.turn.lock().await;
        loop {
            let taken = self.bucket().take(Instant::now());
            match taken {
                Ok(()) => return Pass { gate: self },
                Err(until) => sleep_until(until).await,
            }
        }
    }
}

/// A request that is on its way. Dropped without an answer, it counts as sent.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    gate: &'a Gate,
}

impl Pass<'_> {
    /// The answer is there.
    pub(crate) fn answered(self, told: Told, refused: bool) {
        let gate = self.gate;
        drop(self);
        let now = Instant::now();
        let mut bucket = gate.bucket();
        bucket.believe(now, told);
        if !refused {
            bucket.accepted(now);
        } else if let Some(pause) = bucket.refused(now) {
            warn!(
                pause_seconds = pause.as_secs(),
                limit = bucket.budget.limit,
                "the project's API requests are used up; all requests pause"
            );
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.gate.bucket().answered();
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
