//! Servers (section "Servers" and "Server Actions" of the reference).

use std::net::Ipv4Addr;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::actions::Action;
use crate::api::{Api, Create, Filter, Managed, Resource, name_and_labels};
use crate::decode::{Envelope, IdOrName, nullable, whole};
use crate::error::Error;
use crate::images::Image;
use crate::labels::{LabelSelector, Labels};
use crate::locations::Location;
use crate::open::open_enum;
use crate::placement_groups::PlacementGroup;
use crate::server_types::ServerType;

/// The longest `user_data` that the API takes, in bytes.
pub const USER_DATA_MAX: usize = 32 * 1024;

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

/// What servers are filtered by.
#[derive(Debug, Clone, Default)]
pub struct ServerFilter {
    /// The whole name.
    pub name: Option<String>,
    /// Requirements on labels.
    pub label_selector: Option<LabelSelector>,
    /// One of these; any, if there is none.
    pub status: Vec<ServerStatus>,
}

impl Filter for ServerFilter {
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = name_and_labels(self.name.as_ref(), self.label_selector.as_ref());
        parameters.extend(
            self.status
                .iter()
                .map(|status| ("status", status.to_string())),
        );
        parameters
    }
}

/// What a server is made from.
///
/// Give it an SSH key: otherwise the API makes up a password, which [`Api::ensure`] does not hand on.
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

impl Create for CreateServer {
    fn name(&self) -> &str {
        &self.name
    }

    fn labels(&self) -> &Labels {
        &self.labels
    }
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

impl Resource for Server {
    const PATH: &'static str = "servers";
    const KEY: &'static str = "server";
    type Filter = ServerFilter;

    fn id(&self) -> i64 {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Managed for Server {
    type Create = CreateServer;
    const KIND: &'static str = "server";
    const HAS_ACTIONS: bool = true;

    fn labels(&self) -> &Labels {
        &self.labels
    }
}

/// An action, and a password that it made up.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rebuilt {
    /// What to wait for.
    pub action: Action,
    /// The new password, if the server has no SSH key.
    pub root_password: Option<SecretString>,
}

impl Api<Server> {
    /// Writes the disk anew. Identifier, addresses, labels and type stay.
    pub async fn rebuild(&self, id: i64, rebuild: &Rebuild) -> Result<Rebuilt, Error> {
        let request = format!("POST /servers/{id}/actions/rebuild");
        let mut answer: Envelope = self
            .client
            .answer(Self::action(id, "rebuild").body(rebuild))
            .await?;
        let mut decode = || {
            let password: Option<String> = answer.take_optional("root_password")?;
            Ok(Rebuilt {
                action: answer.take("action")?,
                root_password: password.map(SecretString::from),
            })
        };
        decode().map_err(|source| Error::Decode { request, source })
    }

    /// Starts a server that is off.
    pub async fn power_on(&self, id: i64) -> Result<Action, Error> {
        self.act(Self::action(id, "poweron").repeatable()).await
    }

    /// Cuts the power.
    pub async fn power_off(&self, id: i64) -> Result<Action, Error> {
        self.act(Self::action(id, "poweroff").repeatable()).await
    }

    /// Asks the system to shut down. The action is done when it was asked, not when it is off.
    pub async fn shutdown(&self, id: i64) -> Result<Action, Error> {
        self.act(Self::action(id, "shutdown").repeatable()).await
    }

    /// Asks the system to boot again.
    pub async fn reboot(&self, id: i64) -> Result<Action, Error> {
        self.act(Self::action(id, "reboot")).await
    }

    /// Cuts the power and starts again.
    pub async fn reset(&self, id: i64) -> Result<Action, Error> {
        self.act(Self::action(id, "reset")).await
    }

    /// Makes it another type; it must be off. From then on it costs what the type costs today.
    pub async fn change_type(&self, id: i64, change: &ChangeType) -> Result<Action, Error> {
        self.act(Self::action(id, "change_type").body(change)).await
    }

    /// Protects it, or no longer does.
    pub async fn change_protection(
        &self,
        id: i64,
        protection: ServerProtection,
    ) -> Result<Action, Error> {
        self.act(
            Self::action(id, "change_protection")
                .body(&protection)
                .repeatable(),
        )
        .await
    }

    /// Puts it into a private network.
    pub async fn attach_to_network(
        &self,
        id: i64,
        attach: &AttachToNetwork,
    ) -> Result<Action, Error> {
        self.act(Self::action(id, "attach_to_network").body(attach))
            .await
    }

    /// Takes it out of a private network.
    pub async fn detach_from_network(&self, id: i64, network: i64) -> Result<Action, Error> {
        let body = serde_json::json!({ "network": network });
        self.act(Self::action(id, "detach_from_network").body(&body))
            .await
    }

    /// Puts it into a placement group; it must be off.
    pub async fn add_to_placement_group(&self, id: i64, group: i64) -> Result<Action, Error> {
        let body = serde_json::json!({ "placement_group": group });
        self.act(Self::action(id, "add_to_placement_group").body(&body))
            .await
    }

    /// Takes it out of its placement group.
    pub async fn remove_from_placement_group(&self, id: i64) -> Result<Action, Error> {
        self.act(Self::action(id, "remove_from_placement_group"))
            .await
    }
}
