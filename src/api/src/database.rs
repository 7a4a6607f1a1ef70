//! Where the records of all regions come together.
#![expect(
    unreachable_pub,
    reason = "the derive repeats the structs where nothing can reach them"
)]

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::collector::SecretRef;
use crate::resources::{Amounts, Resources, Volume};
use crate::rules;

/// Where the records of all regions come together: one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = kube::core::Rule::new(rules::ONE_DATABASE.rule).message(rules::ONE_DATABASE.message))]
pub struct Database {
    /// A Postgres that somebody else runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalDatabase>,
    /// A Postgres that the operator runs in the cluster. `fleetctl up` keeps to the local store instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedDatabase>,
}

/// A Postgres that somebody else runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalDatabase {
    /// The Secret with the database's `url`, `postgres://user:password@host/database`.
    pub url_secret_ref: SecretRef,
}

/// A Postgres that the operator runs in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedDatabase {
    /// The image, which is used as the official one is. A newer major version does not read the files of an older one.
    #[serde(default = "default_database_image")]
    #[x_kube(validation = kube::core::Rule::new(rules::IMAGE.rule).message(rules::IMAGE.message))]
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// What is kept.
    #[serde(default = "default_database_volume")]
    pub volume: Volume,
    /// What the server is given. Its buffers are sized after the memory that is requested.
    #[serde(default = "default_database_resources")]
    pub resources: Resources,
    /// The pooler in front of it.
    #[serde(default)]
    pub pooler: Pooler,
    /// Labels of the node on which it runs. Without any it runs on the control plane's server where there is one, and
    /// never on a region's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Copies of the whole database. Without it there are none but the archives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
}

fn default_database_image() -> String {
    "postgres:17.6-bookworm".to_owned()
}

fn default_database_volume() -> Volume {
    Volume::of("50Gi")
}

fn default_database_resources() -> Resources {
    Resources {
        requests: Amounts {
            cpu: Some("250m".to_owned()),
            memory: Some("1Gi".to_owned()),
        },
        limits: Amounts {
            cpu: None,
            memory: Some("2Gi".to_owned()),
        },
    }
}

/// `PgBouncer`, in transaction mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pooler {
    /// An image in which `pgbouncer` can be run.
    #[serde(default = "default_pooler_image")]
    #[x_kube(validation = kube::core::Rule::new(rules::IMAGE.rule).message(rules::IMAGE.message))]
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// How many run; 0 lets collectors connect to the database themselves.
    #[serde(default = "default_pooler_replicas")]
    #[schemars(range(min = 0, max = 10))]
    pub replicas: i32,
}

fn default_pooler_image() -> String {
    "ghcr.io/cloudnative-pg/pgbouncer:1.24.1".to_owned()
}

fn default_pooler_replicas() -> i32 {
    1
}

impl Default for Pooler {
    fn default() -> Self {
        Self {
            image: default_pooler_image(),
            replicas: default_pooler_replicas(),
        }
    }
}

/// Copies of the whole database, with `pg_dump`, on a volume of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// When, as cron has it, in UTC.
    #[serde(default = "default_backup_schedule")]
    #[x_kube(validation = kube::core::Rule::new(rules::SCHEDULE.rule).message(rules::SCHEDULE.message))]
    #[schemars(length(max = 100))]
    pub schedule: String,
    /// How many are kept.
    #[serde(default = "default_keep")]
    #[schemars(range(min = 1, max = 365))]
    pub keep: i32,
    /// Where they are.
    #[serde(default = "default_database_volume")]
    pub volume: Volume,
}

fn default_backup_schedule() -> String {
    "30 3 * * *".to_owned()
}

fn default_keep() -> i32 {
    7
}
