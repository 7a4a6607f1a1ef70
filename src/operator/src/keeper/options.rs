//! What is the same for all fleets of a cluster.

use std::time::Duration;

use crate::cluster::Joining;

/// How long pods have to leave a node.
const DRAIN: Duration = Duration::from_mins(2);

/// What is the same for all fleets of a cluster.
#[derive(Debug, Clone)]
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
}

impl Default for KeeperOptions {
    fn default() -> Self {
        Self {
            joining: Joining::K3s,
            join_address: None,
            endpoint: None,
            drain: DRAIN,
        }
    }
}
