//! What stands beside an archive file and says what is in it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::schema::COLUMNS;
use super::{FileFormat, Summary};

/// The newest form that this program knows.
const FORMAT_VERSION: u32 = 1;

/// The description of an archive file, `<file>.manifest.json`. People and other programs read it, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of the manifest and of the file: 1.
    pub format_version: u32,
    /// The network that was collected: `soulseek`.
    pub network: String,
    /// The month (UTC) in which the records were received, for example `2026-10`.
    pub month: String,
    /// 0 for the month, 1 and up for what came too late for it.
    pub part: u32,
    /// The name of the file, without a directory.
    pub file: String,
    /// What kind of file it is.
    pub file_format: FileFormat,
    /// The columns in their order.
    pub schema: Vec<ManifestColumn>,
    /// When the file was written.
    #[serde(with = "timestamp")]
    pub created_at: Timestamp,
    /// The program that wrote it.
    pub created_by: String,
    /// Rows.
    pub record_count: u64,
    /// Bytes.
    pub file_size: u64,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// The digest of the rows in any order, see [`RowDigest`](super::RowDigest).
    pub digest: String,
    /// When the earliest record was received; RFC 3339 in the file, microseconds since 1970-01-01T00:00:00Z here.
    #[serde(with = "micros")]
    pub first_received_at: Option<i64>,
    /// The same of the latest record.
    #[serde(with = "micros")]
    pub last_received_at: Option<i64>,
    /// Where the records come from.
    pub clients: Vec<ManifestClient>,
}

/// A column of an archive file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestColumn {
    /// Its name.
    pub name: String,
    /// Its type in Parquet; CSV has texts that say the same.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it tells.
    pub meaning: String,
}

/// The records of one spool of a client in this file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestClient {
    /// The region that recorded them.
    pub client_id: String,
    /// The spool that numbered them.
    pub spool: String,
    /// How many there are.
    pub records: u64,
    /// The lowest number, if there are any.
    pub first_seq: Option<i64>,
    /// The highest number, if there are any.
    pub last_seq: Option<i64>,
    /// This file holds those of the month's records whose number is greater than this ...
    pub after: i64,
    /// ... and not greater than this.
    pub through: i64,
}

/// Which records a part covers, as the archiver has decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The region.
    pub client_id: String,
    /// The spool.
    pub spool: String,
    /// Records with greater numbers than this ...
    pub after: i64,
    /// ... up to this one.
    pub through: i64,
}

/// What a file cannot know of itself.
#[derive(Clone, Debug)]
pub struct About {
    /// See [`Manifest::network`].
    pub network: String,
    /// See [`Manifest::month`].
    pub month: String,
    /// See [`Manifest::part`].
    pub part: u32,
    /// See [`Manifest::file`].
    pub file: String,
    /// See [`Manifest::file_format`].
    pub file_format: FileFormat,
    /// See [`Manifest::created_at`].
    pub created_at: Timestamp,
    /// What it covers. A client that is not named here covers just its records.
    pub covered: Vec<Covered>,
}

impl Manifest {
    /// The manifest of a file that was just written.
    pub fn new(about: About, summary: &Summary) -> Self {
        let clients = clients(&about.covered, summary);
        let column = |(name, kind, meaning): (&str, &str, &str)| ManifestColumn {
            name: name.into(),
            kind: kind.into(),
            meaning: meaning.into(),
        };
        Self {
            format_version: FORMAT_VERSION,
            network: about.network,
            month: about.month,
            part: about.part,
            file: about.file,
            file_format: about.file_format,
            schema: COLUMNS.map(column).into(),
            created_at: about.created_at,
            created_by: concat!("research-fleet ", env!("CARGO_PKG_VERSION")).into(),
            record_count: summary.records,
            file_size: summary.file.size,
            sha256: summary.file.sha256.clone(),
            digest: summary.digest.clone(),
            first_received_at: summary.first_received_at,
            last_received_at: summary.last_received_at,
            clients,
        }
    }

    /// Reads a manifest. `file` is how messages name it.
    pub fn parse(file: &str, json: &[u8]) -> Result<Self, ManifestError> {
        let not_a_manifest = |source| ManifestError::NotAManifest {
            file: file.to_owned(),
            source,
        };
        // A newer form may have other fields, so this comes first.
        let Version { format_version } = serde_json::from_slice(json).map_err(not_a_manifest)?;
        if format_version > FORMAT_VERSION {
            return Err(ManifestError::Newer {
                file: file.to_owned(),
                found: format_version,
                known: FORMAT_VERSION,
            });
        }
        serde_json::from_slice(json).map_err(not_a_manifest)
    }

    /// The text of the manifest, JSON in lines.
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("all keys are texts");
        json.push('\n');
        json
    }
}

/// Every client that is covered or has records, sorted.
fn clients(covered: &[Covered], summary: &Summary) -> Vec<ManifestClient> {
    let covered_only = covered.iter().map(|covered| ManifestClient {
        client_id: covered.client_id.clone(),
        spool: covered.spool.clone(),
        records: 0,
        first_seq: None,
        last_seq: None,
        after: covered.after,
        through: covered.through,
    });
    let mut clients: Vec<_> = covered_only.collect();
    for found in &summary.clients {
        let same = |client: &&mut ManifestClient| {
            *client.client_id == *found.client_id && *client.spool == *found.spool
        };
        let (first, last) = (found.first_seq, found.last_seq);
        if let Some(client) = clients.iter_mut().find(same) {
            client.records = found.records;
            client.first_seq = Some(first);
            client.last_seq = Some(last);
        } else {
            clients.push(ManifestClient {
                client_id: found.client_id.to_string(),
                spool: found.spool.to_string(),
                records: found.records,
                first_seq: Some(first),
                last_seq: Some(last),
                after: first.saturating_sub(1),
                through: last,
            });
        }
    }
    clients.sort_by(|a, b| (&a.client_id, &a.spool).cmp(&(&b.client_id, &b.spool)));
    clients
}

#[derive(Deserialize)]
struct Version {
    format_version: u32,
}

/// A manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The text is something else.
    #[error("{file} is not the manifest of an archive")]
    NotAManifest {
        /// The file.
        file: String,
        /// What does not fit, and where.
        source: serde_json::Error,
    },
    /// A newer version of this program wrote it.
    #[error(
        "{file} was written by a newer version of this program (form {found}, known up to {known})"
    )]
    Newer {
        /// The file.
        file: String,
        /// The form of the manifest.
        found: u32,
        /// The newest form that this program knows.
        known: u32,
    },
}

impl ManifestError {
    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotAManifest { .. } => {
                "name a file that ends in .manifest.json, or bring back a good copy of it".into()
            }
            Self::Newer { .. } => "use the newer version of this program".into(),
        })
    }
}

/// RFC 3339.
mod timestamp {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(at)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Timestamp, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// RFC 3339 with microseconds.
mod micros {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

    use crate::archive::csv_gz::parse_micros;
    use crate::export::rfc3339;

    #[expect(clippy::ref_option, reason = "serde asks for it")]
    pub(super) fn serialize<S: Serializer>(at: &Option<i64>, to: S) -> Result<S::Ok, S::Error> {
        at.map(rfc3339).serialize(to)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Option<i64>, D::Error> {
        let wrong = |text: &str| D::Error::custom(format!("{text:?} is not a time"));
        Option::<String>::deserialize(from)?
            .map(|text| parse_micros(&text).ok_or_else(|| wrong(&text)))
            .transpose()
    }
}
