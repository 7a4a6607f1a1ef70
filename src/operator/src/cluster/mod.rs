//! The cluster that a fleet runs on, from outside: its kubeconfig is fetched from the first server, servers are let in,
//! the operator is installed, a spec is applied, and taken away again. Each step can be broken off anywhere and taken
//! again.

mod advertised;
mod apply;
mod connect;
mod drain;
mod error;
mod file;
mod install;
mod kubeconfig;
mod nodes;
mod object;
mod remove;
mod ssh;
mod token;

pub use self::advertised::advertised_address;
pub use self::apply::apply;
pub use self::connect::Cluster;
pub use self::drain::{drain, uncordon};
pub use self::error::ClusterError;
pub use self::install::{NAMESPACE, OPERATOR, install, wait_for_operator};
pub use self::kubeconfig::{Kubeconfig, KubeconfigError, Waiting, fetch};
pub use self::nodes::{NodeState, forget_node, label_node, list_nodes, wait_for_nodes};
pub use self::object::{Applied, Outcome};
pub use self::remove::{Removed, remove};
pub use self::ssh::{Ssh, SshError, forget_host};
pub use self::token::{
    BootstrapToken, Joining, authority, authority_hash, create_token, delete_tokens,
};

/// Who has written a field, in the cluster's records.
const FIELD_MANAGER: &str = "fleetctl";
