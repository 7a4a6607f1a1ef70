//! What the monitor knows at one moment. `fleetctl monitor --once -o json` prints it as one object, of this shape:
//!
//! ```json
//! {"fleet": "study", "at": "2026-11-26T15:45:19Z",
//!  "regions": [{"name": "us-east", "location": "ash", "phase": "fed", "branchLevel": 2, "children": 1,
//!    "searchesPerSecond": 29.8, "searches": 12345, "duplicates": 3, "spoolPending": 0, "databaseWaiting": 6,
//!    "stalled": false, "lastRecordAt": "2026-11-26T15:45:18Z"}],
//!  "servers": [{"name": "study-us-east", "role": "us-east", "location": "ash", "type": "cpx11", "status": "running",
//!    "address": "203.0.113.7", "monthlyCost": "5.99"}],
//!  "pods": [{"name": "study-us-east-0", "phase": "Running", "ready": true, "restarts": 0, "node": "study-us-east"}],
//!  "archives": {"files": 3, "records": 24000000, "bytes": 900000000, "problems": [],
//!    "last": {"month": "2026-10", "archivedAt": "2026-11-02T03:00:00Z", "file": "s3://bucket/searches_2026-10.parquet"}},
//!  "monthlyCost": {"net": "42.97", "currency": "EUR"},
//!  "errors": [{"source": "metrics", "message": "http://127.0.0.1:9090/metrics: connection refused"}]}
//! ```
//!
//! Lists are empty, and `archives` and `monthlyCost` are null, where nothing was asked for or nothing came; then `errors`
//! says why. `searchesPerSecond` is null as long as there is one reading only. `searches` and `duplicates` count from the
//! start of the collector's process. `lastRecordAt` is when this program last saw `searches` grow. `spoolPending`,
//! `databaseWaiting` and `stalled` are those of the process, which regions may share. Costs are decimal texts, net,
//! of what is there now. Fields are only ever added.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

/// What is known of a fleet.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Snapshot {
    /// Its name; nothing where no spec was named.
    pub(crate) fleet: Option<String>,
    pub(crate) at: Timestamp,
    pub(crate) regions: Vec<Region>,
    pub(crate) servers: Vec<Server>,
    pub(crate) pods: Vec<Pod>,
    pub(crate) archives: Option<Archives>,
    pub(crate) monthly_cost: Option<Cost>,
    pub(crate) errors: Vec<Problem>,
    /// What is watched, and so has a panel.
    #[serde(skip)]
    pub(crate) watched: Vec<Origin>,
    /// The time between two readings of the metrics.
    #[serde(skip)]
    pub(crate) interval: Duration,
    /// What all processes together have shipped to the database, and have not yet.
    #[serde(skip)]
    pub(crate) shipping: Option<(u64, u64)>,
}

/// Where something is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    Metrics,
    Servers,
    Pods,
    Archives,
}

impl Origin {
    /// As it stands in the JSON form.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Servers => "servers",
            Self::Pods => "pods",
            Self::Archives => "archives",
        }
    }
}

/// Something that cannot be known now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    pub(crate) source: Origin,
    pub(crate) message: String,
}

/// How a region is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Region {
    pub(crate) name: String,
    /// Where it has a server of its own.
    pub(crate) location: Option<String>,
    pub(crate) phase: Phase,
    pub(crate) branch_level: Option<u64>,
    pub(crate) children: Option<u64>,
    pub(crate) searches_per_second: Option<f64>,
    pub(crate) searches: Option<u64>,
    pub(crate) duplicates: Option<u64>,
    pub(crate) spool_pending: Option<u64>,
    pub(crate) database_waiting: Option<u64>,
    pub(crate) stalled: bool,
    pub(crate) last_record_at: Option<Timestamp>,
    /// Searches a second between readings, the oldest first; nothing where one failed.
    #[serde(skip)]
    pub(crate) history: Vec<Option<f64>>,
}

/// Where a region is in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Phase {
    /// A root of the tree: the server itself sends searches.
    Root,
    /// A parent sends searches.
    Fed,
    /// Logged in, without searches.
    Searching,
    /// Not logged in.
    Disconnected,
    /// Its process does not answer.
    Unreachable,
    /// Nobody has said where it could be asked.
    Unknown,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Server {
    pub(crate) name: String,
    /// `control-plane`, or the region that it runs.
    pub(crate) role: String,
    pub(crate) location: String,
    #[serde(rename = "type")]
    pub(crate) server_type: String,
    pub(crate) status: String,
    pub(crate) address: Option<String>,
    /// Nothing where the price list does not have it.
    pub(crate) monthly_cost: Option<String>,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) phase: String,
    pub(crate) ready: bool,
    pub(crate) restarts: i32,
    pub(crate) node: Option<String>,
}

/// The archive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Archives {
    pub(crate) files: usize,
    pub(crate) records: i64,
    pub(crate) bytes: i64,
    /// What is wrong with files.
    pub(crate) problems: Vec<String>,
    pub(crate) last: Option<LastArchive>,
}

/// The file that was finished last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LastArchive {
    pub(crate) month: String,
    /// RFC 3339.
    pub(crate) archived_at: String,
    pub(crate) file: String,
}

/// An amount a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Cost {
    pub(crate) net: String,
    pub(crate) currency: String,
}

impl Snapshot {
    /// Searches a second of all regions.
    pub(crate) fn searches_per_second(&self) -> f64 {
        let rates = self
            .regions
            .iter()
            .filter_map(|region| region.searches_per_second);
        // The sum of nothing would be -0.
        rates.fold(0.0, std::ops::Add::add)
    }

    /// What went wrong with one of the sources.
    pub(crate) fn errors_of(&self, source: Origin) -> impl Iterator<Item = &str> {
        let errors = self
            .errors
            .iter()
            .filter(move |error| error.source == source);
        errors.map(|error| error.message.as_str())
    }
}
