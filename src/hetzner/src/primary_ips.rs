//! Primary IPs (section "Primary IPs" and "Primary IP Actions" of the reference).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::actions::Action;
use crate::api::{Api, Filter, managed, name_and_labels, readable};
use crate::decode::{IdOrName, nullable};
use crate::error::Error;
use crate::labels::{LabelSelector, Labels};
use crate::locations::Location;
use crate::open::open_enum;
use crate::protection::{Protection, protect};

open_enum! {
    /// A family of addresses.
    pub enum IpType {
        /// One IPv4 address.
        Ipv4 = "ipv4",
        /// An IPv6 network.
        Ipv6 = "ipv6",
    }
}

open_enum! {
    /// What has a primary IP.
    pub enum AssigneeType {
        /// A server.
        Server = "server",
        /// Nothing.
        Unassigned = "unassigned",
    }
}

/// A public address that may outlive its server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct PrimaryIp {
    /// Its identifier.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its labels.
    #[serde(default, deserialize_with = "nullable")]
    pub labels: Labels,
    /// When it was made.
    pub created: Timestamp,
    /// Whether Hetzner closed it.
    #[serde(default)]
    pub blocked: bool,
    /// Where it can be used.
    pub location: Location,
    /// The address, or the network.
    pub ip: String,
    /// The family.
    #[serde(rename = "type")]
    pub kind: IpType,
    /// Its names in reverse DNS.
    #[serde(default, deserialize_with = "nullable")]
    pub dns_ptr: Vec<DnsPtr>,
    /// What it is protected from.
    #[serde(default, deserialize_with = "nullable")]
    pub protection: Protection,
    /// Whether it goes when its server goes.
    #[serde(default)]
    pub auto_delete: bool,
    /// What has it.
    #[serde(default, deserialize_with = "nullable")]
    pub assignee_type: AssigneeType,
    /// The identifier of what has it.
    #[serde(default)]
    pub assignee_id: Option<i64>,
}

/// A name in reverse DNS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DnsPtr {
    /// The address.
    pub ip: String,
    /// Its name.
    #[serde(default, deserialize_with = "nullable")]
    pub dns_ptr: String,
}

/// What primary IPs are filtered by.
#[derive(Debug, Clone, Default)]
pub struct PrimaryIpFilter {
    /// The whole name.
    pub name: Option<String>,
    /// Requirements on labels.
    pub label_selector: Option<LabelSelector>,
    /// The address.
    pub ip: Option<String>,
}

impl Filter for PrimaryIpFilter {
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = name_and_labels(self.name.as_ref(), self.label_selector.as_ref());
        parameters.extend(self.ip.clone().map(|ip| ("ip", ip)));
        parameters
    }
}

/// What a primary IP is made from.
#[derive(Debug, Clone, Serialize)]
pub struct CreatePrimaryIp {
    /// Its name.
    pub name: String,
    /// The family.
    #[serde(rename = "type")]
    pub kind: IpType,
    /// Where it can be used; not together with an assignee.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<IdOrName>,
    /// Whether it goes when its server goes.
    pub auto_delete: bool,
    /// Its labels.
    pub labels: Labels,
    /// What kind of thing has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee_type: Option<AssigneeType>,
    /// The identifier of what has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee_id: Option<i64>,
}

impl CreatePrimaryIp {
    /// One that stays when its server goes, and that has none at first.
    pub fn new(name: impl Into<String>, kind: IpType, location: impl Into<IdOrName>) -> Self {
        Self {
            name: name.into(),
            kind,
            location: Some(location.into()),
            auto_delete: false,
            labels: Labels::new(),
            assignee_type: None,
            assignee_id: None,
        }
    }
}

readable!(PrimaryIp, path: "primary_ips", key: "primary_ip", filter: PrimaryIpFilter);
managed!(PrimaryIp, from: CreatePrimaryIp, kind: "primary IP", has_actions: true);

impl Api<PrimaryIp> {
    /// Gives it to a server, which must be off.
    pub async fn assign(&self, id: i64, server: i64) -> Result<Action, Error> {
        let body =
            serde_json::json!({ "assignee_type": AssigneeType::Server, "assignee_id": server });
        self.act(Self::action(id, "assign").body(&body)).await
    }

    /// Takes it from its server, which must be off. Only then can it be deleted.
    pub async fn unassign(&self, id: i64) -> Result<Action, Error> {
        self.act(Self::action(id, "unassign")).await
    }

    /// Sets the name of an address in reverse DNS, or the default one.
    pub async fn change_dns_ptr(
        &self,
        id: i64,
        ip: &str,
        name: Option<&str>,
    ) -> Result<Action, Error> {
        let body = serde_json::json!({ "ip": ip, "dns_ptr": name });
        self.act(Self::action(id, "change_dns_ptr").body(&body).repeatable())
            .await
    }

    /// Protects it, or no longer does.
    pub async fn change_protection(
        &self,
        id: i64,
        protection: Protection,
    ) -> Result<Action, Error> {
        protect(self, id, protection).await
    }
}
