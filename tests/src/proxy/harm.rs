//! What is done to which call.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio_util::sync::{CancellationToken, DropGuard};

use super::Call;

/// Which call.
pub enum At {
    /// The nth from now on, beginning with 1; watches are not counted.
    Nth(u64),
    /// The next that is like this; watches, too.
    Matching(Box<dyn Fn(&Call) -> bool + Send + Sync>),
    /// Each that is like this, until [`heal`](super::Proxy::heal).
    Every(Box<dyn Fn(&Call) -> bool + Send + Sync>),
}

impl At {
    /// The next that is like this; watches, too.
    pub fn matching(like: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        Self::Matching(Box::new(like))
    }

    /// Each that is like this.
    pub fn every(like: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        Self::Every(Box::new(like))
    }
}

impl fmt::Debug for At {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nth(n) => formatter.debug_tuple("Nth").field(n).finish(),
            Self::Matching(_) => formatter.write_str("Matching(..)"),
            Self::Every(_) => formatter.write_str("Every(..)"),
        }
    }
}

/// What is done.
#[derive(Debug, Clone)]
pub enum Harm {
    /// The proxy answers with this status and an error of the API's kind. Nothing reaches the server.
    Refuse(u16),
    /// The line is cut, and nothing reaches the server.
    CutBefore,
    /// The line is cut when the server has answered.
    CutAfter,
    /// It reaches the server later.
    Delay(Duration),
    /// The test is told, and decides what becomes of it.
    Hold(Hold),
}

/// When a call is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before it reaches the server.
    Before,
    /// When the server has answered.
    After,
}

/// A call that waits for the test.
#[derive(Debug, Clone)]
pub struct Hold {
    moment: Moment,
    reached: CancellationToken,
    go_on: CancellationToken,
    dropped: CancellationToken,
}

/// The test's end of a held call. Dropping it cuts the line.
#[derive(Debug)]
pub struct Held {
    reached: CancellationToken,
    go_on: CancellationToken,
    _dropped: DropGuard,
}

impl Hold {
    /// For [`Harm::Hold`], and for the test.
    pub fn new(moment: Moment) -> (Self, Held) {
        let hold = Self {
            moment,
            reached: CancellationToken::new(),
            go_on: CancellationToken::new(),
            dropped: CancellationToken::new(),
        };
        let held = Held {
            reached: hold.reached.clone(),
            go_on: hold.go_on.clone(),
            _dropped: hold.dropped.clone().drop_guard(),
        };
        (hold, held)
    }

    /// Waits here if this is the moment; false if the line is to be cut.
    pub(super) async fn wait(&self, moment: Moment) -> bool {
        if moment != self.moment {
            return true;
        }
        self.reached.cancel();
        tokio::select! {
            biased;
            () = self.go_on.cancelled() => true,
            () = self.dropped.cancelled() => false,
        }
    }
}

impl Held {
    /// Waits until a call is held.
    pub async fn reached(&self) {
        self.reached.cancelled().await;
    }

    /// Whether a call is held, or was.
    pub fn has_reached(&self) -> bool {
        self.reached.is_cancelled()
    }

    /// Lets the call go on.
    pub fn go_on(self) {
        self.go_on.cancel();
    }
}

#[derive(Default)]
pub(super) struct Plan(Mutex<Vec<(At, Harm)>>);

impl Plan {
    pub(super) fn add(&self, at: At, harm: Harm) {
        self.lock().push((at, harm));
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// What to do to a call that has come. Each counts it, whether another is done to it or not.
    pub(super) fn meet(&self, call: &Call) -> Option<Harm> {
        let mut plan = self.lock();
        let mut found: Option<usize> = None;
        for (index, (at, _)) in plan.iter_mut().enumerate() {
            let meets = match at {
                At::Nth(0) => false,
                At::Nth(n) => {
                    *n -= u64::from(!call.is_watch);
                    *n == 0
                }
                At::Matching(like) | At::Every(like) => like(call),
            };
            if meets && found.is_none() {
                found = Some(index);
            }
        }
        let found = found?;
        if matches!(plan[found].0, At::Every(_)) {
            return Some(plan[found].1.clone());
        }
        Some(plan.remove(found).1)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(At, Harm)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Plan").field(&*self.lock()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(path: &str, is_watch: bool) -> Call {
        Call {
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: String::new(),
            is_watch,
            user_agent: String::new(),
            status: None,
        }
    }

    #[test]
    fn the_nth_call_is_met_once_and_watches_are_not_counted() {
        let plan = Plan::default();
        plan.add(At::Nth(2), Harm::CutBefore);
        plan.add(At::every(|call| call.path == "/b"), Harm::Refuse(500));
        assert!(plan.meet(&call("/a", false)).is_none());
        assert!(plan.meet(&call("/a", true)).is_none());
        assert!(matches!(
            plan.meet(&call("/b", false)),
            Some(Harm::CutBefore)
        ));
        for _ in 0..2 {
            assert!(matches!(
                plan.meet(&call("/b", false)),
                Some(Harm::Refuse(500))
            ));
        }
        plan.clear();
        assert!(plan.meet(&call("/b", false)).is_none());
    }
}
