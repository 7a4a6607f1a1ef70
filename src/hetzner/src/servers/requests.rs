//! What is asked for: a server to make, to rebuild, to change.

use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

use crate::decode::IdOrName;
use crate::labels::Labels;

/// The longest `user_data` that the API takes, in bytes.
pub const USER_DATA_MAX: usize = 32 * 1024;

/// What a server is made from.
///
/// Give it an SSH key: otherwise the API makes up a password, which [`ensure`](crate::Api::ensure) does not hand on.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CreateServer {
    /// Its name: letters, digits, `.` and `-`.
    pub name: String,
    /// Its type.
    pub server_type: IdOrName,
    /// What its disk is made from.
    pub image: IdOrName,
    /// Where it is; Hetzner chooses, if nowhere is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<IdOrName>,
    /// Who may log in as root. They are only read at the first boot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<IdOrName>,
    /// What cloud-init does at the first boot, up to [`USER_DATA_MAX`]. The API never shows it again.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    pub user_data: Option<SecretString>,
    /// Its labels.
    pub labels: Labels,
    /// Whether it starts at once; it does by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_after_create: Option<bool>,
    /// The group that keeps it away from the hosts of others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement_group: Option<i64>,
    /// Firewalls that guard it from the first moment.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "firewalls")]
    pub firewalls: Vec<i64>,
    /// Networks that it is in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<i64>,
    /// Volumes that are attached; they must be in the same location.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<i64>,
    /// Whether the volumes are mounted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount: Option<bool>,
    /// Its public addresses; new ones of both families by default, which go with the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_net: Option<CreatePublicNet>,
}

/// The public addresses that a server is to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CreatePublicNet {
    /// Whether it has an IPv4 address.
    pub enable_ipv4: bool,
    /// Whether it has an IPv6 network.
    pub enable_ipv6: bool,
    /// The primary IP to use; a new one, if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv4: Option<i64>,
    /// The primary IP to use; a new one, if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<i64>,
}

impl Default for CreatePublicNet {
    fn default() -> Self {
        Self {
            enable_ipv4: true,
            enable_ipv6: true,
            ipv4: None,
            ipv6: None,
        }
    }
}

#[expect(clippy::ref_option, reason = "serde gives a reference to the field")]
fn exposed<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret
        .as_ref()
        .map(ExposeSecret::expose_secret)
        .serialize(serializer)
}

fn firewalls<S: Serializer>(ids: &[i64], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct One {
        firewall: i64,
    }
    serializer.collect_seq(ids.iter().map(|id| One { firewall: *id }))
}

/// What a disk is written anew with.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Rebuild {
    /// The image.
    pub image: IdOrName,
    /// What cloud-init does at the first boot.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    pub user_data: Option<SecretString>,
}

/// What a server becomes.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ChangeType {
    /// The new type.
    pub server_type: IdOrName,
    /// Whether the disk grows, too; then there is no way back to a smaller type.
    pub upgrade_disk: bool,
}

/// A place in a private network.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AttachToNetwork {
    /// The network's identifier.
    pub network: i64,
    /// The address; the API chooses one, if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Further addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alias_ips: Vec<String>,
    /// The subnet to take the address from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_range: Option<String>,
}
