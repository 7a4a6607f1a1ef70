//! Private networks (section "Networks" and "Network Actions" of the reference).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::actions::Action;
use crate::api::{Api, NameFilter, managed, readable};
use crate::decode::nullable;
use crate::error::Error;
use crate::labels::Labels;
use crate::open::open_enum;
use crate::protection::{Protection, protect};

open_enum! {
    /// What may be in a subnet.
    pub enum SubnetType {
        /// Cloud servers.
        Cloud = "cloud",
        /// The old name of `cloud`.
        Server = "server",
        /// Dedicated servers behind a vSwitch.
        Vswitch = "vswitch",
    }
}

/// A private network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Network {
    /// Its identifier.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// All addresses that it may use.
    #[serde(default)]
    pub ip_range: String,
    /// Its parts.
    #[serde(default, deserialize_with = "nullable")]
    pub subnets: Vec<Subnet>,
    /// Ways out of it.
    #[serde(default, deserialize_with = "nullable")]
    pub routes: Vec<Route>,
    /// The servers in it.
    #[serde(default, deserialize_with = "nullable")]
    pub servers: Vec<i64>,
    /// What it is protected from.
    #[serde(default, deserialize_with = "nullable")]
    pub protection: Protection,
    /// Its labels.
    #[serde(default, deserialize_with = "nullable")]
    pub labels: Labels,
    /// When it was made.
    pub created: Timestamp,
}

/// A part of a network, in one network zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// What may be in it.
    #[serde(rename = "type")]
    pub kind: SubnetType,
    /// Its addresses; the API chooses, if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_range: Option<String>,
    /// Where it is, for example `eu-central`.
    pub network_zone: String,
    /// The address of its router; the API gives it.
    #[serde(default, skip_serializing)]
    pub gateway: Option<String>,
}

/// A way out of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Addresses outside.
    pub destination: String,
    /// The address inside that leads there.
    pub gateway: String,
}

/// What a network is made from.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CreateNetwork {
    /// Its name.
    pub name: String,
    /// All addresses that it may use, private ones.
    pub ip_range: String,
    /// Its labels.
    pub labels: Labels,
    /// Its parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<Subnet>,
    /// Ways out of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
}

readable!(Network, path: "networks", key: "network", filter: NameFilter);
managed!(Network, from: CreateNetwork, kind: "network", has_actions: true);

impl Api<Network> {
    /// Adds a part. The API makes one change of a network at a time.
    pub async fn add_subnet(&self, id: i64, subnet: &Subnet) -> Result<Action, Error> {
        self.act(Self::action(id, "add_subnet").body(subnet)).await
    }

    /// Takes a part away; nothing may be in it.
    pub async fn delete_subnet(&self, id: i64, ip_range: &str) -> Result<Action, Error> {
        let body = serde_json::json!({ "ip_range": ip_range });
        self.act(Self::action(id, "delete_subnet").body(&body))
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
