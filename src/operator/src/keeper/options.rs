//! What is the same for all fleets of a cluster.

use std::fmt;
use std::time::Duration;

use fleet_hetzner::Answered;

use crate::cluster::Joining;

/// How long pods have to leave a node.
const DRAIN: Duration = Duration::from_mins(2);

/// What is the same for all fleets of a cluster.
#[derive(Clone)]
pub struct KeeperOptions {
    /// How new servers become nodes.
    pub joining: Joining,
    /// What new servers join, `https://HOST:PORT`. Without it the fleet's own control plane, else what the API server
    /// says of itself.
    pub join_address: Option<String>,
    /// Another address of the Hetzner Cloud API.
    pub endpoint: Option<String>,
    /// How long pods have to leave a node before its server is changed or deleted.
    pub drain: Duration,
    /// Who is told of each request to the provider.
    pub answered: Option<Answered>,
}

impl fmt::Debug for KeeperOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeeperOptions")
            .field("joining", &self.joining)
            .field("join_address", &self.join_address)
            .field("endpoint", &self.endpoint)
            .field("drain", &self.drain)
            .finish_non_exhaustive()
    }
}

impl Default for KeeperOptions {
    fn default() -> Self {
        Self {
            joining: Joining::K3s,
            join_address: None,
            endpoint: None,
            drain: DRAIN,
            answered: None,
        }
    }
}
