//! What is done to a call.

use std::time::Duration;

use fleet_tests::proxy::{At, Harm, Held, Hold, Moment, Proxy};

/// Before which of the two APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Kubernetes,
    Hetzner,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Refuse,
    CutBefore,
    CutAfter,
    Delay,
    /// The operator is killed, and the call never arrives.
    KillBefore,
    /// The call has arrived, and the operator is killed before it hears so.
    KillAfter,
}

pub(super) const HARMS: [Kind; 6] = [
    Kind::Refuse,
    Kind::CutAfter,
    Kind::KillAfter,
    Kind::CutBefore,
    Kind::Delay,
    Kind::KillBefore,
];

/// To which call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    pub(super) side: Side,
    pub(super) n: usize,
    pub(super) harm: Kind,
}

impl Fault {
    /// Prepares it. Whoever gets an end has to kill the operator when a call is held.
    pub(super) fn prepare(self, proxy: &Proxy) -> Option<Held> {
        let (harm, held) = match self.harm {
            Kind::Refuse => (Harm::Refuse(500), None),
            Kind::CutBefore => (Harm::CutBefore, None),
            Kind::CutAfter => (Harm::CutAfter, None),
            Kind::Delay => (Harm::Delay(Duration::from_secs(1)), None),
            Kind::KillBefore => hold(Moment::Before),
            Kind::KillAfter => hold(Moment::After),
        };
        let n = u64::try_from(self.n).unwrap_or(u64::MAX);
        proxy.harm(At::Nth(n), harm);
        held
    }
}

fn hold(moment: Moment) -> (Harm, Option<Held>) {
    let (hold, held) = Hold::new(moment);
    (Harm::Hold(hold), Some(held))
}
