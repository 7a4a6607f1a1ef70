//! Writing what was collected to a file that other programs read.

mod csv;
mod jsonl;
mod parquet;

use std::fmt::Write as _;
use std::io::Write;
use std::str::FromStr;

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use sqlx::{FromRow, Sqlite};

use crate::{Reader, StoreError};

/// The form of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A table with a header, RFC 4180.
    Csv,
    /// A JSON object a line.
    #[default]
    Jsonl,
    /// Apache Parquet, zstd.
    Parquet,
}

/// The form of an export is not one of csv, jsonl, parquet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the format must be csv, jsonl or parquet, not {0:?}")]
pub struct ParseFormatError(String);

impl FromStr for Format {
    type Err = ParseFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "csv" => Ok(Self::Csv),
            "jsonl" => Ok(Self::Jsonl),
            "parquet" => Ok(Self::Parquet),
            _ => Err(ParseFormatError(text.to_owned())),
        }
    }
}

/// Which records to export: those received at `since` or later and before `until`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// The first moment.
    pub since: Option<Timestamp>,
    /// The first moment that is too late.
    pub until: Option<Timestamp>,
}

/// One record as it stands in the tables.
#[derive(Debug, FromRow)]
struct Row {
    client_id: String,
    seq: i64,
    received_at: i64,
    username: String,
    query: String,
    query_raw: Option<Vec<u8>>,
    token: i64,
    source: String,
    branch_level: i64,
}

/// Where the rows of an export go.
trait Sink {
    fn write(&mut self, row: &Row) -> Result<(), StoreError>;
    /// Writes what is still held back.
    fn finish(self: Box<Self>) -> Result<(), StoreError>;
}

/// Writes every record that is in the store now, in the order in which they were written; gives their number.
///
/// Takes little memory and does not hold up a collector that is writing.
pub async fn export(
    reader: &Reader,
    format: Format,
    filter: Filter,
    output: impl Write + Send,
) -> Result<u64, StoreError> {
    let mut connection = reader.connect().await?;
    let failed = |source| StoreError::of_database(reader.path(), source);
    let mut sink: Box<dyn Sink + Send + '_> = match format {
        Format::Csv => Box::new(csv::CsvSink::new(output)?),
        Format::Jsonl => Box::new(jsonl::JsonlSink::new(output)),
        Format::Parquet => Box::new(parquet::ParquetSink::new(output)?),
    };
    let (mut from, last): (i64, i64) =
        sqlx::query_as("SELECT coalesce((SELECT min(id) FROM search) - 1, 0), coalesce((SELECT max(id) FROM search), 0)")
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
    let mut count = 0;
    while from < last {
        let to = last.min(from + PAGE);
        let rows = page(&mut connection, filter, from, to)
            .await
            .map_err(failed)?;
        for row in &rows {
            sink.write(row)?;
        }
        count += rows.len() as u64;
        from = to;
    }
    sink.finish()?;
    Ok(count)
}

/// Rows that are read in one go. A long read would keep the write-ahead log from being emptied; 512 of the longest
/// records that the protocol allows are 16 MB.
const PAGE: i64 = 512;

async fn page(
    connection: &mut SqliteConnection,
    filter: Filter,
    from: i64,
    to: i64,
) -> sqlx::Result<Vec<Row>> {
    // CROSS JOIN makes SQLite go through `search` in the order of its key.
    let sql = "SELECT client.name AS client_id, seq, received_at, username, query, query_raw, token, \
               CASE source WHEN 0 THEN 'parent' WHEN 1 THEN 'embedded' WHEN 2 THEN 'server' ELSE 'direct' END AS source, \
               branch_level FROM search CROSS JOIN client ON client.id = search.client \
               WHERE search.id > ? AND search.id <= ? AND received_at >= ? AND received_at < ? ORDER BY search.id";
    let since = filter.since.map_or(i64::MIN, ceiling);
    let until = filter.until.map_or(i64::MAX, ceiling);
    sqlx::query_as::<Sqlite, Row>(sql)
        .bind(from)
        .bind(to)
        .bind(since)
        .bind(until)
        .fetch_all(connection)
        .await
}

/// The first whole microsecond that is not before the moment.
fn ceiling(moment: Timestamp) -> i64 {
    let micros = moment.as_nanosecond().div_euclid(1000);
    let more = i128::from(moment.as_nanosecond().rem_euclid(1000) > 0);
    i64::try_from(micros + more).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC with microseconds, as in the views.
pub(crate) fn rfc3339(micros: i64) -> String {
    match Timestamp::from_microsecond(micros) {
        Ok(moment) => format!("{moment:.6}"),
        // Beyond the year 9999: a clock that is this wrong has no date.
        Err(_) => micros.to_string(),
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
