//! The types. Doc comments of fields become the descriptions in the CRD.
#![expect(
    unreachable_pub,
    reason = "the derive repeats the structs where nothing can reach them"
)]

use std::collections::BTreeMap;

use kube::{CustomResource, CustomResourceExt, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::archive::{Archive, Reports};
use crate::database::Database;
use crate::infrastructure::Infrastructure;
use crate::policy::{DeletionPolicy, UpdatePolicy};
use crate::resources::{Amounts, Resources, Volume};
use crate::rules;
use crate::status::ResearchCollectorStatus;

/// One study: a fleet of collectors in several regions, and what becomes of what they record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "researchfleet.io",
    version = "v1alpha1",
    kind = "ResearchCollector",
    namespaced,
    shortname = "rcol",
    category = "fleet",
    derive = "PartialEq",
    doc = "One study: a fleet of collectors in several regions, and what becomes of what they record.",
    validation = kube::core::Rule::new(rules::FLEET_NAME.rule).message(rules::FLEET_NAME.message),
    status = "ResearchCollectorStatus",
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name": "Regions", "type": "string", "jsonPath": ".status.recording"}"#,
    printcolumn = r#"{"name": "Searches/s", "type": "string", "jsonPath": ".status.searchesPerSecond"}"#,
    printcolumn = r#"{"name": "Last archive", "type": "date", "jsonPath": ".status.lastArchive"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].reason", "priority": 1}"#,
    printcolumn = r#"{"name": "Message", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].message", "priority": 1}"#,
    printcolumn = r#"{"name": "Cost/month", "type": "string", "jsonPath": ".status.monthlyCost", "priority": 1}"#,
    printcolumn = r#"{"name": "Network", "type": "string", "jsonPath": ".spec.network", "priority": 1}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = kube::core::Rule::new(rules::CANARY_SECRET.rule).message(rules::CANARY_SECRET.message),
    validation = kube::core::Rule::new(rules::LOCATION_OF_WHAT.rule).message(rules::LOCATION_OF_WHAT.message),
    validation = kube::core::Rule::new(rules::ARCHIVE_OF_WHAT.rule).message(rules::ARCHIVE_OF_WHAT.message),
    validation = kube::core::Rule::new(rules::INFRASTRUCTURE_STAYS.rule).message(rules::INFRASTRUCTURE_STAYS.message)
)]
pub struct ResearchCollectorSpec {
    /// The network that is studied. Cannot be changed.
    #[x_kube(validation = kube::core::Rule::new(rules::NETWORK_FIXED.rule).message(rules::NETWORK_FIXED.message))]
    pub network: Network,
    /// Settings of the Soulseek network.
    #[serde(default)]
    pub soulseek: Soulseek,
    /// Where collectors run. Each has an account of its own.
    #[schemars(length(min = 1, max = 64))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub regions: Vec<Region>,
    /// How the names of users are protected.
    #[serde(default)]
    pub privacy: Privacy,
    /// An extra account that sends a few harmless searches, to measure what share of the network's
    /// searches each region hears. Without it nothing is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Where the records of all regions come together. Without it they stay in each collector's local
    /// store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,
    /// Where the fleet's machines come from. Without it the fleet runs on the machines that are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infrastructure: Option<Infrastructure>,
    /// Months that are over become verified files and leave the database. Without it they stay where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<Archive>,
    /// The figures of days, kept up to date. Without it `fleetctl report` computes them when it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reports: Option<Reports>,
    /// How the fleet changes.
    #[serde(default)]
    pub update_policy: UpdatePolicy,
    /// What becomes of the data when the fleet is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Collection rests: collectors end in order, and everything else goes on.
    #[serde(default)]
    pub suspend: bool,
    /// The image of the collectors and jobs. Without it the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = kube::core::Rule::new(rules::IMAGE.rule).message(rules::IMAGE.message))]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
}

/// A peer-to-peer network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Soulseek: every distributed search is recorded.
    Soulseek,
}

/// Settings of the Soulseek network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Soulseek {
    /// The server, `host:port`.
    #[serde(default = "default_server")]
    #[x_kube(validation = kube::core::Rule::new(rules::SERVER.rule).message(rules::SERVER.message))]
    #[schemars(length(max = 255))]
    pub server: String,
    /// The major version that is told to the server. Older clients are refused; newer ones get no
    /// distributed searches.
    #[serde(default = "default_client_version")]
    #[schemars(range(min = 157, max = 178))]
    pub client_version: i32,
    /// What becomes of a search that a region sees twice within two minutes.
    #[serde(default)]
    pub duplicates: Duplicates,
}

fn default_server() -> String {
    "server.slsknet.org:2416".to_owned()
}

fn default_client_version() -> i32 {
    177
}

impl Default for Soulseek {
    fn default() -> Self {
        Self {
            server: default_server(),
            client_version: default_client_version(),
            duplicates: Duplicates::default(),
        }
    }
}

/// What becomes of a search that is seen twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Duplicates {
    /// It is counted and recorded once.
    #[default]
    Drop,
    /// It is recorded each time.
    Keep,
}

/// A region: one collector with one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = kube::core::Rule::new(rules::TYPES_OF_WHAT.rule).message(rules::TYPES_OF_WHAT.message),
    validation = kube::core::Rule::new(rules::NODE_OR_SERVER.rule).message(rules::NODE_OR_SERVER.message)
)]
pub struct Region {
    /// The name, which is the `client_id` of all its records.
    #[x_kube(
        validation = kube::core::Rule::new(rules::REGION_NAME.rule).message(rules::REGION_NAME.message),
        validation = kube::core::Rule::new(rules::REGION_RESERVED.rule).message(rules::REGION_RESERVED.message),
        validation = kube::core::Rule::new(rules::REGION_CONTROL_PLANE.rule).message(rules::REGION_CONTROL_PLANE.message)
    )]
    #[schemars(length(min = 1, max = 40))]
    pub name: String,
    /// The Secret with the account's `username` and `password`.
    pub credentials_secret_ref: SecretRef,
    /// Where the collector listens for other users.
    #[serde(default)]
    pub listen: Listen,
    /// The location in which the region has a server of its own, for example `ash`. Without it the region runs on the
    /// control plane's server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub location: Option<String>,
    /// Types of that server in the order of preference. Without any, whatever the location offers with 2 GB of
    /// memory or more, cheapest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 32)))]
    pub server_types: Vec<String>,
    /// Labels of the node on which a region without a `location` runs. Without any it may run on every node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// What the collector is given.
    #[serde(default = "default_region_resources")]
    pub resources: Resources,
    /// The volume of its spool, in which records wait for the database.
    #[serde(default = "default_spool")]
    pub spool: Volume,
}

fn default_region_resources() -> Resources {
    Resources {
        requests: Amounts {
            cpu: Some("50m".to_owned()),
            memory: Some("64Mi".to_owned()),
        },
        limits: Amounts {
            cpu: None,
            memory: Some("256Mi".to_owned()),
        },
    }
}

fn default_spool() -> Volume {
    Volume::of("10Gi")
}

impl Region {
    /// One with the defaults of a spec.
    pub fn new(name: &str, credentials: &str) -> Self {
        Self {
            name: name.to_owned(),
            credentials_secret_ref: SecretRef {
                name: credentials.to_owned(),
            },
            listen: Listen::default(),
            location: None,
            server_types: Vec::new(),
            node_selector: BTreeMap::new(),
            resources: default_region_resources(),
            spool: default_spool(),
        }
    }
}

/// A Secret in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Where a collector listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = kube::core::Rule::new(rules::PORTS_DIFFER.rule).message(rules::PORTS_DIFFER.message))]
pub struct Listen {
    /// The port for plain connections.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// The port for obfuscated connections; 0 offers none.
    #[serde(default = "default_obfuscated_port")]
    #[schemars(range(min = 0, max = 65535))]
    pub obfuscated_port: i32,
}

fn default_port() -> i32 {
    60000
}

fn default_obfuscated_port() -> i32 {
    60001
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            port: default_port(),
            obfuscated_port: default_obfuscated_port(),
        }
    }
}

/// How the names of users are protected. Clear names are never written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Privacy {
    /// How a pseudonym is made from a name.
    #[serde(default)]
    pub username: UsernameScheme,
    /// The Secret with the `key` that pseudonyms are made with. Without it a key is made at the first
    /// start and kept beside the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_secret_ref: Option<SecretRef>,
}

/// How a pseudonym is made from a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UsernameScheme {
    /// AES-SIV: the same name gives the same pseudonym, and the key turns it back.
    #[default]
    Siv,
    /// Fernet: each record has another pseudonym, and the key turns it back.
    Fernet,
    /// HMAC-SHA-256: the same name gives the same pseudonym, and nothing turns it back.
    Hmac,
}

/// An extra account that sends a few harmless searches. The first region's collector runs it; every
/// region marks what it hears of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Canary {
    /// The Secret with the account's `username` and `password`; an account that no region uses. Every
    /// region needs the `username`, to mark the canary's searches.
    pub credentials_secret_ref: SecretRef,
    /// How many searches it sends an hour, at random times.
    #[serde(default = "default_per_hour")]
    #[schemars(range(min = 1, max = 60))]
    pub per_hour: i32,
}

fn default_per_hour() -> i32 {
    4
}

/// The CRD as YAML.
pub fn crd() -> Result<String, serde_yaml::Error> {
    serde_yaml::to_string(&ResearchCollector::crd())
}
