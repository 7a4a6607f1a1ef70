//! What the API meets of the faults that are armed.

use jiff::SignedDuration;

use super::{Fault, Faults};
use crate::hetzner::pace::Limits;

/// A million times: what takes longer never ends anyway, and no time overflows.
const SLOWEST: f64 = 1e6;

/// What a request meets instead of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Obstacle {
    Answer { status: u16, code: Option<String> },
    Page { status: u16 },
    Hang,
}

/// What becomes of an answer that is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The connection is closed.
    Cut,
    /// Another status is answered.
    Replaced(u16),
}

impl Faults {
    /// What the first fault that fits has to say. It counts as happened.
    fn happen<T>(&self, fits: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        let mut armed = self.lock();
        let (index, found) = armed
            .iter()
            .enumerate()
            .find_map(|(index, armed)| Some((index, fits(&armed.fault)?)))?;
        if let Some(left) = &mut armed[index].left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                armed.remove(index);
            }
        }
        Some(found)
    }

    /// What the last fault that fits says, without counting.
    fn state<T>(&self, fits: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        self.lock()
            .iter()
            .rev()
            .find_map(|armed| fits(&armed.fault))
    }

    pub(crate) fn obstacle(&self, method: &str, path: &str) -> Option<Obstacle> {
        self.happen(|fault| match fault {
            Fault::Answer { on, status, code } if on.meets(method, path) => {
                Some(Obstacle::Answer {
                    status: *status,
                    code: code.clone(),
                })
            }
            Fault::Page { on, status } if on.meets(method, path) => {
                Some(Obstacle::Page { status: *status })
            }
            Fault::Hang { on } if on.meets(method, path) => Some(Obstacle::Hang),
            _ => None,
        })
    }

    /// What becomes of an answer, if it is lost.
    pub(crate) fn lost_answer(&self, method: &str, path: &str) -> Option<Lost> {
        self.happen(|fault| match fault {
            Fault::LoseAnswer { on, status } if on.meets(method, path) => {
                Some(status.map_or(Lost::Cut, Lost::Replaced))
            }
            _ => None,
        })
    }

    pub(crate) fn empties_bucket(&self) -> bool {
        let mut armed = self.lock();
        let before = armed.len();
        armed.retain(|armed| !matches!(armed.fault, Fault::EmptyBucket));
        armed.len() < before
    }

    /// Why an order is refused: the code and the message.
    pub(crate) fn refuses_order(
        &self,
        ordered: &str,
        place: &str,
    ) -> Option<(&'static str, &'static str)> {
        self.happen(|fault| match fault {
            Fault::OutOfStock {
                server_type,
                location,
            } if is_or_any(server_type.as_deref(), ordered)
                && is_or_any(location.as_deref(), place) =>
            {
                Some(("resource_unavailable", "error during placement"))
            }
            Fault::LocationDisabled { location } if location == place => {
                Some(("resource_unavailable", "server location disabled"))
            }
            Fault::PlacementError => Some(("placement_error", "error during placement")),
            _ => None,
        })
    }

    pub(crate) fn says_available(&self, of: &str, place: &str) -> Option<bool> {
        self.state(|fault| match fault {
            Fault::Availability {
                server_type,
                location,
                available,
            } if is_or_any(server_type.as_deref(), of) && is_or_any(location.as_deref(), place) => {
                Some(*available)
            }
            _ => None,
        })
    }

    pub(crate) fn failure(&self, of: &str) -> Option<(String, String)> {
        self.happen(|fault| match fault {
            Fault::FailAction {
                command,
                code,
                message,
            } if command == of => Some((code.clone(), message.clone())),
            _ => None,
        })
    }

    pub(crate) fn slowness(&self) -> f64 {
        self.state(|fault| match fault {
            Fault::SlowActions { factor } if factor.is_finite() => Some(factor.clamp(0.0, SLOWEST)),
            _ => None,
        })
        .unwrap_or(1.0)
    }

    pub(crate) fn ignores_shutdown(&self) -> bool {
        self.happen(|fault| matches!(fault, Fault::IgnoreShutdown).then_some(()))
            .is_some()
    }

    pub(crate) fn token_revoked(&self) -> bool {
        self.state(|fault| matches!(fault, Fault::RevokeToken).then_some(()))
            .is_some()
    }

    pub(crate) fn token_read_only(&self) -> bool {
        self.state(|fault| matches!(fault, Fault::ReadOnlyToken).then_some(()))
            .is_some()
    }

    pub(crate) fn other_limits(&self) -> Option<Limits> {
        self.state(|fault| match fault {
            Fault::Limits { limits } => Some(*limits),
            _ => None,
        })
    }

    pub(crate) fn skew(&self) -> SignedDuration {
        self.state(|fault| match fault {
            Fault::ClockSkew { seconds } => Some(SignedDuration::from_secs(*seconds)),
            _ => None,
        })
        .unwrap_or_default()
    }
}

fn is_or_any(wanted: Option<&str>, found: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == found)
}
