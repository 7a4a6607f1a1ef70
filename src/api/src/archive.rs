//! What becomes of months that are over, and of figures.
#![expect(
    unreachable_pub,
    reason = "the derive repeats the structs where nothing can reach them"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::collector::SecretRef;
use crate::resources::{Amounts, Resources, Volume};
use crate::rules;

/// Months that are over become verified files and leave the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Archive {
    /// When, as cron has it, in UTC.
    #[serde(default = "default_schedule")]
    #[x_kube(validation = kube::core::Rule::new(rules::SCHEDULE.rule).message(rules::SCHEDULE.message))]
    #[schemars(length(max = 100))]
    pub schedule: String,
    /// Months before this one that stay in the database, too.
    #[serde(default = "default_keep_months")]
    #[schemars(range(min = 0, max = 120))]
    pub keep_months: i32,
    /// The form of the files.
    #[serde(default)]
    pub format: ArchiveFormat,
    /// Where the files are.
    #[serde(default)]
    pub destination: ArchiveDestination,
    /// What a run is given.
    #[serde(default = "default_resources")]
    pub resources: Resources,
}

fn default_schedule() -> String {
    "0 2 1 * *".to_owned()
}

fn default_keep_months() -> i32 {
    1
}

fn default_resources() -> Resources {
    Resources {
        requests: Amounts {
            cpu: Some("100m".to_owned()),
            memory: Some("160Mi".to_owned()),
        },
        limits: Amounts {
            cpu: None,
            memory: Some("384Mi".to_owned()),
        },
    }
}

/// The form of archived files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum ArchiveFormat {
    /// Parquet with zstd.
    #[default]
    #[serde(rename = "parquet")]
    Parquet,
    /// CSV with gzip, which is larger.
    #[serde(rename = "csv.gz")]
    CsvGz,
}

impl ArchiveFormat {
    /// As `fleetd archive --format` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::CsvGz => "csv.gz",
        }
    }
}

/// Where archived files are: one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = kube::core::Rule::new(rules::ONE_DESTINATION.rule).message(rules::ONE_DESTINATION.message))]
pub struct ArchiveDestination {
    /// A volume of the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Volume>,
    /// A bucket of an S3-compatible store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<Bucket>,
}

impl Default for ArchiveDestination {
    fn default() -> Self {
        Self {
            volume: Some(Volume::of("100Gi")),
            s3: None,
        }
    }
}

/// A bucket of an S3-compatible store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// Its name.
    #[x_kube(validation = kube::core::Rule::new(rules::BUCKET.rule).message(rules::BUCKET.message))]
    #[schemars(length(min = 3, max = 63))]
    pub bucket: String,
    /// What the names of files begin with, without a slash at either end.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[x_kube(validation = kube::core::Rule::new(rules::PREFIX.rule).message(rules::PREFIX.message))]
    #[schemars(length(max = 512))]
    pub prefix: String,
    /// The address of the store, for example `https://fsn1.your-objectstorage.com`. Without it Amazon's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = kube::core::Rule::new(rules::ENDPOINT.rule).message(rules::ENDPOINT.message))]
    #[schemars(length(max = 512))]
    pub endpoint: Option<String>,
    /// The store's region, for example `eu-central-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub region: Option<String>,
    /// The Secret with `access-key-id` and `secret-access-key`.
    pub credentials_secret_ref: SecretRef,
}

/// The figures of days, kept up to date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Reports {
    /// When, as cron has it, in UTC.
    #[serde(default = "default_report_schedule")]
    #[x_kube(validation = kube::core::Rule::new(rules::SCHEDULE.rule).message(rules::SCHEDULE.message))]
    #[schemars(length(max = 100))]
    pub schedule: String,
}

fn default_report_schedule() -> String {
    "10 * * * *".to_owned()
}
