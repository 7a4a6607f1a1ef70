//! Where a fleet's machines come from.
#![expect(
    unreachable_pub,
    reason = "the derive repeats the structs where nothing can reach them"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::collector::SecretRef;
use crate::rules;

/// Where a fleet's machines come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Infrastructure {
    /// Servers of Hetzner Cloud: one for the control plane and the database, and one for each region that has a
    /// `location`.
    pub hetzner: Hetzner,
}

/// Servers of Hetzner Cloud, in one project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = kube::core::Rule::new(rules::TOKEN_STAYS.rule).message(rules::TOKEN_STAYS.message))]
pub struct Hetzner {
    /// The Secret with the project's API `token`, which may read and write. Without it `fleetctl` takes the
    /// environment's `HCLOUD_TOKEN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_secret_ref: Option<SecretRef>,
    /// The system image that servers start with.
    #[serde(default = "default_image")]
    #[schemars(length(min = 1, max = 128))]
    pub image: String,
    /// Who may log in by SSH: names of keys in the project, or public keys (`ssh-ed25519 AAAA... name`). They are
    /// put on a server when it is made or rebuilt.
    #[serde(default)]
    #[schemars(length(max = 50), inner(length(min = 1, max = 4096)))]
    pub ssh_keys: Vec<String>,
    /// From where SSH and the Kubernetes API can be reached, as CIDRs. By default from everywhere.
    #[serde(default = "default_allow_from")]
    #[x_kube(validation = kube::core::Rule::new(rules::ALLOW_FROM.rule).message(rules::ALLOW_FROM.message))]
    #[schemars(length(min = 1, max = 90), inner(length(min = 1, max = 43)))]
    pub allow_from: Vec<String>,
    /// The server of the control plane, which also runs the database and the regions without a `location`.
    #[serde(default)]
    pub control_plane: ControlPlane,
    /// How servers in the same location are spread over physical machines.
    #[serde(default)]
    pub placement: Placement,
    /// A private network between the servers of the control plane's network zone. Servers in other zones cannot be
    /// in it; traffic of the cluster is encrypted with or without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<PrivateNetwork>,
}

fn default_image() -> String {
    "debian-12".to_owned()
}

fn default_allow_from() -> Vec<String> {
    vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()]
}

/// The server of the control plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlPlane {
    /// Locations in the order of preference; the first in which a server can be had is taken. A server that is there
    /// stays where it is.
    #[serde(default = "default_locations")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 32)))]
    pub locations: Vec<String>,
    /// Server types in the order of preference.
    #[serde(default = "default_server_types")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 32)))]
    pub server_types: Vec<String>,
    /// Size of a volume for the state of the cluster and the database, in GB. It outlives the server, and `fleetctl
    /// destroy` keeps it. Without it all is on the server's own disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 10240))]
    pub volume_gb: Option<i32>,
}

impl Default for ControlPlane {
    fn default() -> Self {
        Self {
            locations: default_locations(),
            server_types: default_server_types(),
            volume_gb: None,
        }
    }
}

fn default_locations() -> Vec<String> {
    ["nbg1", "fsn1", "hel1"].map(str::to_owned).into()
}

fn default_server_types() -> Vec<String> {
    ["cx33", "cpx32", "ccx13"].map(str::to_owned).into()
}

/// How servers in the same location are spread over physical machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// Ten servers at a time are on different machines.
    #[default]
    Spread,
    /// As it comes.
    Any,
}

/// A private network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrivateNetwork {
    /// Its addresses, a CIDR in a private range (RFC 1918) of at least 256 addresses.
    #[serde(default = "default_ip_range")]
    #[x_kube(validation = kube::core::Rule::new(rules::IP_RANGE.rule).message(rules::IP_RANGE.message))]
    #[schemars(length(max = 18))]
    pub ip_range: String,
}

fn default_ip_range() -> String {
    "10.80.0.0/16".to_owned()
}
