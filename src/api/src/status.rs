//! How a fleet is. Everything here can be found out again by looking.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a fleet is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResearchCollectorStatus {
    /// The spec that this is about, as `metadata.generation` counts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Progressing`, `ServersReady`, `DatabaseReady`, `CollectorsReady` and `ArchiveHealthy`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Each region of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub regions: Vec<RegionStatus>,
    /// How many regions record, of how many, for example `3/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// Searches a second that all regions record, with two digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searches_per_second: Option<String>,
    /// When an archive was last written without an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_archive: Option<String>,
    /// What the servers cost a month, net, for example `12.30 EUR`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly_cost: Option<String>,
}

/// How a region is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegionStatus {
    /// Its name.
    pub name: String,
    /// How far it is.
    pub phase: RegionPhase,
    /// What is in the way, if something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The server of its own, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerStatus>,
    /// The node that its collector runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Searches a second that it records, with two digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searches_per_second: Option<String>,
    /// When it last recorded something, to the minute (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_record_time: Option<String>,
}

/// How far a region is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum RegionPhase {
    /// Nothing is known yet.
    #[default]
    Pending,
    /// Its server is made.
    Provisioning,
    /// Its server boots and joins the cluster.
    Joining,
    /// Its collector starts and logs in.
    Starting,
    /// It records.
    Recording,
    /// It is stopped, because the spec says so.
    Suspended,
    /// Something is in the way that a person has to look at.
    Failed,
}

/// A server at a provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerStatus {
    /// The provider's number of it.
    pub id: i64,
    /// Its type.
    pub server_type: String,
    /// Where it is.
    pub location: String,
    /// Its public IPv4 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}
