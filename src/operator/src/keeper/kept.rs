//! What a tick answers with.

use std::collections::BTreeMap;

use fleet_api::ServerStatus;
use fleet_hetzner::Money;

/// How a fleet's servers are.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The regions that have a server of their own, as they were when the tick began. Empty if nothing could be learnt.
    pub servers: BTreeMap<String, RegionServer>,
    /// How they are altogether.
    pub state: KeptState,
    /// What all that the fleet has at the provider costs a month, net.
    pub monthly: Option<Money>,
}

/// A region's server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionServer {
    /// The server, if there is one.
    pub status: Option<ServerStatus>,
    /// Its node, if it has joined.
    pub node: Option<String>,
    /// How far it is.
    pub phase: ServerPhase,
    /// What a person should know about it.
    pub message: Option<String>,
}

/// How far a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerPhase {
    /// It is made.
    Provisioning,
    /// It boots and joins.
    Joining,
    /// It is a node that takes pods.
    Ready,
    /// Something is in the way.
    Failed,
}

/// How a fleet's servers are altogether.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptState {
    /// As the spec wants them, and nodes that take pods.
    Ready,
    /// On their way.
    InProgress(String),
    /// Not without a person, or not now.
    Problem {
        /// One of `fleet_api::conditions::reasons`.
        reason: &'static str,
        /// For people.
        message: String,
    },
}

/// Something that was done, or went wrong; for the events of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// Whether it went wrong.
    pub warning: bool,
    /// One word.
    pub reason: &'static str,
    /// For people.
    pub note: String,
}

impl Kept {
    /// A fleet without servers.
    pub(super) fn nothing() -> Self {
        Self {
            servers: BTreeMap::new(),
            state: KeptState::Ready,
            monthly: None,
        }
    }

    /// Nothing could be learnt.
    pub(super) fn unknown(reason: &'static str, message: String) -> Self {
        Self {
            state: KeptState::Problem { reason, message },
            ..Self::nothing()
        }
    }
}
