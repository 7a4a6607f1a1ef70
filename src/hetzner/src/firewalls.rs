//! Firewalls (section "Firewalls" and "Firewall Actions" of the reference).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::actions::Action;
use crate::api::{Api, NameFilter, managed, readable};
use crate::decode::nullable;
use crate::error::Error;
use crate::labels::{LabelSelector, Labels};
use crate::open::open_enum;

open_enum! {
    /// Which way traffic goes, seen from the server.
    pub enum Direction {
        /// Into the server.
        In = "in",
        /// Out of the server. One such rule closes everything else.
        Out = "out",
    }
}

open_enum! {
    /// A protocol.
    pub enum Protocol {
        /// TCP.
        Tcp = "tcp",
        /// UDP, `WireGuard` for example.
        Udp = "udp",
        /// ICMP, for example ping.
        Icmp = "icmp",
        /// ESP of `IPsec`.
        Esp = "esp",
        /// GRE.
        Gre = "gre",
    }
}

/// A firewall. Whatever comes in and has no rule is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Firewall {
    /// Its identifier.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its labels.
    #[serde(default, deserialize_with = "nullable")]
    pub labels: Labels,
    /// When it was made.
    pub created: Timestamp,
    /// What it lets through.
    #[serde(default, deserialize_with = "nullable")]
    pub rules: Vec<Rule>,
    /// What it guards.
    #[serde(default, deserialize_with = "nullable")]
    pub applied_to: Vec<AppliedTo>,
}

/// Traffic that a firewall lets through. At most 50 a firewall, with 100 networks each.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Which way it goes.
    pub direction: Direction,
    /// The protocol.
    pub protocol: Protocol,
    /// A port, or a range as `60000-60001`; only for TCP and UDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// Networks that it comes from, if it goes in.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub source_ips: Vec<String>,
    /// Networks that it goes to, if it goes out.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub destination_ips: Vec<String>,
}

/// What a firewall is applied to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// `server` or `label_selector`.
    #[serde(rename = "type")]
    kind: String,
    /// The server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server: Option<ServerRef>,
    /// The selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label_selector: Option<SelectorRef>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ServerRef {
    id: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SelectorRef {
    selector: String,
}

impl Target {
    /// One server.
    pub fn server(id: i64) -> Self {
        Self {
            kind: "server".to_owned(),
            server: Some(ServerRef { id }),
            label_selector: None,
        }
    }

    /// Every server that the selector fits, now and later; it takes some seconds.
    pub fn label_selector(selector: &LabelSelector) -> Self {
        Self {
            kind: "label_selector".to_owned(),
            server: None,
            label_selector: Some(SelectorRef {
                selector: selector.to_string(),
            }),
        }
    }

    /// The server, if it is one.
    pub fn server_id(&self) -> Option<i64> {
        self.server.as_ref().map(|server| server.id)
    }

    /// The selector, if it is one.
    pub fn selector(&self) -> Option<&str> {
        self.label_selector
            .as_ref()
            .map(|selector| selector.selector.as_str())
    }
}

/// What a firewall is applied to, and which servers these are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct AppliedTo {
    /// What it was applied to.
    #[serde(flatten)]
    pub target: Target,
    /// For a selector: the servers that it fits.
    #[serde(default, deserialize_with = "nullable")]
    pub applied_to_resources: Vec<Target>,
}

/// What a firewall is made from.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CreateFirewall {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// What it lets through.
    pub rules: Vec<Rule>,
    /// What it guards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub apply_to: Vec<Target>,
}

readable!(Firewall, path: "firewalls", key: "firewall", filter: NameFilter);
managed!(Firewall, from: CreateFirewall, kind: "firewall", has_actions: true);

impl Api<Firewall> {
    /// Replaces all rules.
    pub async fn set_rules(&self, id: i64, rules: &[Rule]) -> Result<Vec<Action>, Error> {
        let body = serde_json::json!({ "rules": rules });
        let call = Self::action(id, "set_rules").body(&body).repeatable();
        self.client.one(call, "actions").await
    }

    /// Guards more.
    pub async fn apply_to(&self, id: i64, targets: &[Target]) -> Result<Vec<Action>, Error> {
        let body = serde_json::json!({ "apply_to": targets });
        self.client
            .one(
                Self::action(id, "apply_to_resources").body(&body),
                "actions",
            )
            .await
    }

    /// Guards less.
    pub async fn remove_from(&self, id: i64, targets: &[Target]) -> Result<Vec<Action>, Error> {
        let body = serde_json::json!({ "remove_from": targets });
        self.client
            .one(
                Self::action(id, "remove_from_resources").body(&body),
                "actions",
            )
            .await
    }
}
