//! What stands beside each file: enough to know what is in it, and that it is whole, without a database.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::format::{COLUMNS, ClientSummary, Summary};
use super::{FileFormat, Part, Span};

/// The version of the manifest's form.
const VERSION: u32 = 1;

/// What stands beside each file, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this form.
    pub version: u32,
    /// The network that was recorded.
    pub network: String,
    /// The month, `2026-10`.
    pub month: String,
    /// 0 is the month, the others hold what came too late for it.
    pub part: i32,
    /// The file's name.
    pub file: String,
    /// `parquet` or `csv.gz`.
    pub format: String,
    /// What each column is.
    pub columns: Vec<ManifestColumn>,
    /// The version of the program that wrote it.
    pub written_by: String,
    /// When it was written.
    pub written_at: Timestamp,
    /// Records in it.
    pub record_count: u64,
    /// Bytes.
    pub file_size: u64,
    /// Of the file, in hexadecimal digits.
    pub sha256: String,
    /// Of the records in any order: the sum of their SHA-256, each cut to 128 bits, in hexadecimal digits.
    pub digest: String,
    /// The first time of a record.
    pub first_received_at: Option<Timestamp>,
    /// The last.
    pub last_received_at: Option<Timestamp>,
    /// Who recorded.
    pub clients: Vec<ManifestClient>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it says.
    pub meaning: String,
}

/// The records of one region and spool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestClient {
    /// Which numbers the file covers.
    #[serde(flatten)]
    pub span: Span,
    /// Records in it.
    pub records: u64,
    /// The lowest number.
    pub first_seq: Option<i64>,
    /// The highest.
    pub last_seq: Option<i64>,
}

impl Manifest {
    /// Of a file that was just written.
    pub(crate) fn new(part: &Part, name: &str, format: FileFormat, summary: &Summary) -> Self {
        let time = |micros: Option<i64>| Timestamp::from_microsecond(micros?).ok();
        let client = |span: &Span| {
            let same = |client: &&ClientSummary| span.is_of(&client.client_id, &client.spool);
            let found = summary.clients.iter().find(same);
            ManifestClient {
                span: span.clone(),
                records: found.map_or(0, |client| client.records),
                first_seq: found.map(|client| client.first_seq),
                last_seq: found.map(|client| client.last_seq),
            }
        };
        Self {
            version: VERSION,
            network: "soulseek".to_owned(),
            month: part.month.clone(),
            part: part.part,
            file: name.to_owned(),
            format: format.extension().to_owned(),
            columns: COLUMNS
                .map(|(name, kind, meaning)| ManifestColumn {
                    name: name.to_owned(),
                    kind: kind.to_owned(),
                    meaning: meaning.to_owned(),
                })
                .into(),
            written_by: concat!("research-fleet ", env!("CARGO_PKG_VERSION")).to_owned(),
            written_at: Timestamp::now(),
            record_count: summary.records,
            file_size: part.file_size.unwrap_or_default().unsigned_abs(),
            sha256: part.sha256.clone().unwrap_or_default(),
            digest: summary.digest.clone(),
            first_received_at: time(summary.first_received_at),
            last_received_at: time(summary.last_received_at),
            clients: part.spans.iter().map(client).collect(),
        }
    }

    /// Reads it; says what is wrong.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if manifest.version > VERSION {
            return Err(format!(
                "a newer program wrote it (version {})",
                manifest.version
            ));
        }
        Ok(manifest)
    }
}

/// The name of a file's manifest.
pub(crate) fn manifest_name(file: &str) -> String {
    format!("{file}.manifest.json")
}
