//! One file of a month, as the store notes it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sqlx::{ColumnIndex, Decode, Row, Type};

use super::{FileFormat, Month};

/// How far a file has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PartState {
    /// Begun: what is at its place may be anything.
    Writing,
    /// Complete, not read back yet.
    Written,
    /// Read back and found right.
    Verified,
}

impl fmt::Display for PartState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Writing => "writing",
            Self::Written => "written",
            Self::Verified => "verified",
        })
    }
}

impl FromStr for PartState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "writing" => Ok(Self::Writing),
            "written" => Ok(Self::Written),
            "verified" => Ok(Self::Verified),
            _ => Err(format!("no state of an archive: {text}")),
        }
    }
}

/// Which records of a client a file covers: the numbers above `after`, up to `through`, that fall into its month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The region.
    pub client_id: String,
    /// The spool that numbered the records.
    pub spool: String,
    /// Not these.
    pub after: i64,
    /// These.
    pub through: i64,
}

impl Span {
    /// Whether it is about this client.
    pub(crate) fn is_of(&self, client_id: &str, spool: &str) -> bool {
        self.client_id == client_id && self.spool == spool
    }
}

/// One file of a month, as the store notes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The note's number.
    #[serde(skip)]
    pub id: i64,
    /// The month.
    pub month: String,
    /// 0 is the month, the others hold what came too late for it.
    pub part: i32,
    /// How far it has come.
    pub state: PartState,
    /// Where the file is: a path or an `s3://` URL.
    pub file_path: String,
    /// Records in it.
    pub record_count: Option<i64>,
    /// Its size in bytes.
    pub file_size: Option<i64>,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: Option<String>,
    /// The digest of its records, in any order.
    #[serde(skip)]
    pub digest: Option<String>,
    /// What it covers.
    #[serde(skip)]
    pub spans: Vec<Span>,
    /// When it was found right, RFC 3339.
    pub archived_at: Option<String>,
    /// Whether the records are in the file only.
    pub deleted: bool,
    /// When a person brought the records back, RFC 3339.
    pub restored_at: Option<String>,
}

impl Part {
    /// From the columns `id, month, part, state, file_path, record_count, file_size, sha256, digest, cursors, archived_at,
    /// deleted, restored_at`.
    pub(crate) fn of_row<'r, R: Row>(row: &'r R) -> Result<Self, sqlx::Error>
    where
        usize: ColumnIndex<R>,
        i64: Decode<'r, R::Database> + Type<R::Database>,
        i32: Decode<'r, R::Database> + Type<R::Database>,
        bool: Decode<'r, R::Database> + Type<R::Database>,
        String: Decode<'r, R::Database> + Type<R::Database>,
    {
        let state: String = row.try_get(3)?;
        let spans: String = row.try_get(9)?;
        let spans = serde_json::from_str(&spans);
        Ok(Self {
            id: row.try_get(0)?,
            month: row.try_get(1)?,
            part: row.try_get(2)?,
            state: state.parse().map_err(sqlx::Error::Protocol)?,
            file_path: row.try_get(4)?,
            record_count: row.try_get(5)?,
            file_size: row.try_get(6)?,
            sha256: row.try_get(7)?,
            digest: row.try_get(8)?,
            spans: spans.map_err(|error| sqlx::Error::Decode(error.into()))?,
            archived_at: row.try_get(10)?,
            deleted: row.try_get(11)?,
            restored_at: row.try_get(12)?,
        })
    }
}

/// The name of a file, of where it is.
pub(super) fn name_of(location: &str) -> &str {
    location.rsplit('/').next().unwrap_or(location)
}

/// The name of a part's file.
pub(crate) fn file_name(month: Month, part: i32, extension: &str) -> String {
    match part {
        0 => format!("searches_{month}.{extension}"),
        late => format!("searches_{month}_late{late}.{extension}"),
    }
}

/// Whether this is the name of a part of the month: not of a manifest, and not of what is being written.
pub(crate) fn is_of_month(name: &str, month: Month) -> bool {
    let Some((stem, extension)) = name.split_once('.') else {
        return false;
    };
    let rest = stem.strip_prefix(&format!("searches_{month}"));
    FileFormat::of_name(&format!(".{extension}"))
        .is_some_and(|format| format.extension() == extension)
        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("_late"))
}

/// Whether the name is that of an archive file or a manifest of any month.
pub(crate) fn is_ours(name: &str) -> bool {
    let file = name.strip_suffix(".manifest.json").unwrap_or(name);
    let month = file.get("searches_".len()..).and_then(|rest| rest.get(..7));
    let month = month.and_then(|month| month.parse().ok());
    month.is_some_and(|month| is_of_month(file, month))
}

/// What is covered by some parts together: for each client the highest number.
pub(crate) fn covered(parts: &[Part]) -> Vec<Span> {
    let mut covered: Vec<Span> = Vec::new();
    for span in parts.iter().flat_map(|part| &part.spans) {
        let same = |other: &&mut Span| other.is_of(&span.client_id, &span.spool);
        match covered.iter_mut().find(same) {
            Some(known) => known.through = known.through.max(span.through),
            None => covered.push(span.clone()),
        }
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_month_are_known_by_their_names() {
        let month = "2026-10".parse().unwrap();
        for good in [
            "searches_2026-10.parquet",
            "searches_2026-10.csv.gz",
            "searches_2026-10_late12.parquet",
        ] {
            assert!(is_of_month(good, month) && is_ours(good), "{good}");
            let manifest = format!("{good}.manifest.json");
            assert!(!is_of_month(&manifest, month) && is_ours(&manifest));
        }
        for bad in [
            ".searches_2026-10.parquet.partial",
            "searches_2026-10.parquet.old",
            "searches_2026-100.parquet",
            "searches_2026-10",
            "notes.txt",
        ] {
            assert!(!is_of_month(bad, month) && !is_ours(bad), "{bad}");
        }
        assert!(!is_of_month("searches_2026-11.parquet", month));
    }
}
