//! A server as the API shows it.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::decode::{nullable, whole};
use crate::images::Image;
use crate::labels::Labels;
use crate::locations::Location;
use crate::open::open_enum;
use crate::placement_groups::PlacementGroup;
use crate::server_types::ServerType;

open_enum! {
    /// What a server is doing.
    pub enum ServerStatus {
        /// It runs.
        Running = "running",
        /// It is being made.
        Initializing = "initializing",
        /// It starts.
        Starting = "starting",
        /// It stops.
        Stopping = "stopping",
        /// It is off, and costs the same.
        Off = "off",
        /// It is being deleted.
        Deleting = "deleting",
        /// It moves to another host.
        Migrating = "migrating",
        /// Its disk is written anew.
        Rebuilding = "rebuilding",
        /// Hetzner does not know.
        Unknown = "unknown",
    }
}

open_enum! {
    /// Whether a firewall guards a server yet.
    pub enum FirewallStatus {
        /// It does.
        Applied = "applied",
        /// It will.
        Pending = "pending",
    }
}

/// A server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Server {
    /// Its identifier.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub status: ServerStatus,
    /// When it was made.
    pub created: Timestamp,
    /// Its public addresses.
    #[serde(default, deserialize_with = "nullable")]
    pub public_net: PublicNet,
    /// Its addresses in private networks.
    #[serde(default, deserialize_with = "nullable")]
    pub private_net: Vec<PrivateNet>,
    /// Its type.
    pub server_type: ServerType,
    /// Where it is.
    pub location: Location,
    /// What its disk was made from.
    #[serde(default)]
    pub image: Option<Image>,
    /// Whether it boots the rescue system next time.
    #[serde(default)]
    pub rescue_enabled: bool,
    /// Whether an action keeps others from it.
    #[serde(default)]
    pub locked: bool,
    /// Traffic that came out of it in the current month, in bytes.
    #[serde(default)]
    pub outgoing_traffic: Option<u64>,
    /// Traffic that went into it in the current month, in bytes.
    #[serde(default)]
    pub ingoing_traffic: Option<u64>,
    /// Traffic a month that costs nothing, in bytes.
    #[serde(default)]
    pub included_traffic: Option<u64>,
    /// What it is protected from.
    #[serde(default, deserialize_with = "nullable")]
    pub protection: ServerProtection,
    /// Its labels.
    #[serde(default, deserialize_with = "nullable")]
    pub labels: Labels,
    /// The volumes that are attached.
    #[serde(default, deserialize_with = "nullable")]
    pub volumes: Vec<i64>,
    /// The size of its disk, in GB.
    #[serde(default, deserialize_with = "whole")]
    pub primary_disk_size: u64,
    /// The group that it is in.
    #[serde(default)]
    pub placement_group: Option<PlacementGroup>,
}

impl Server {
    /// Its public IPv4 address, if it has one.
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        self.public_net.ipv4.as_ref()?.ip.parse().ok()
    }
}

/// The public addresses of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct PublicNet {
    /// The address.
    #[serde(default)]
    pub ipv4: Option<Ipv4>,
    /// The network.
    #[serde(default)]
    pub ipv6: Option<Ipv6>,
    /// The firewalls that guard it.
    #[serde(default, deserialize_with = "nullable")]
    pub firewalls: Vec<AppliedFirewall>,
    /// Its floating IPs.
    #[serde(default, deserialize_with = "nullable")]
    pub floating_ips: Vec<i64>,
}

/// A public IPv4 address.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Ipv4 {
    /// The identifier of its primary IP.
    #[serde(default)]
    pub id: Option<i64>,
    /// The address.
    pub ip: String,
    /// Whether Hetzner closed it.
    #[serde(default)]
    pub blocked: bool,
    /// Its name in reverse DNS.
    #[serde(default, deserialize_with = "nullable")]
    pub dns_ptr: String,
}

/// A public IPv6 network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Ipv6 {
    /// The identifier of its primary IP.
    #[serde(default)]
    pub id: Option<i64>,
    /// The network, for example `2001:db8::/64`.
    pub ip: String,
    /// Whether Hetzner closed it.
    #[serde(default)]
    pub blocked: bool,
}

/// A firewall on a server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct AppliedFirewall {
    /// The firewall's identifier.
    pub id: i64,
    /// Whether it guards the server yet.
    #[serde(default)]
    pub status: FirewallStatus,
}

/// A server's place in a private network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct PrivateNet {
    /// The network's identifier.
    pub network: i64,
    /// The address.
    #[serde(default, deserialize_with = "nullable")]
    pub ip: String,
    /// Further addresses.
    #[serde(default, deserialize_with = "nullable")]
    pub alias_ips: Vec<String>,
    /// The hardware address.
    #[serde(default, deserialize_with = "nullable")]
    pub mac_address: String,
}

/// What a server is protected from. The API wants both to be the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerProtection {
    /// From being deleted.
    #[serde(default)]
    pub delete: bool,
    /// From being rebuilt.
    #[serde(default)]
    pub rebuild: bool,
}
