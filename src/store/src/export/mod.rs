//! Writing what was collected to a file that other programs read.

mod csv;
mod jsonl;
mod parquet;

use std::fmt::Write as _;
use std::io::Write;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::archive::{ArchiveError, Rows};
use crate::{Reader, Row, Source, StoreError};

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
    let mut sink = sink(format, output)?;
    let (mut from, last): (i64, i64) =
        sqlx::query_as("SELECT coalesce((SELECT min(id) FROM search) - 1, 0), coalesce((SELECT max(id) FROM search), 0)")
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
    let spool = spool(&mut connection).await.map_err(failed)?;
    let mut count = 0;
    while from < last {
        let to = last.min(from + PAGE);
        let rows = page(&mut connection, &spool, filter, from, to)
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

/// Writes rows that come from elsewhere; gives their number.
pub async fn export_rows(
    mut rows: Rows,
    format: Format,
    output: impl Write + Send,
) -> Result<u64, ArchiveError> {
    let mut sink = sink(format, output)?;
    let mut count = 0;
    while let Some(heap) = rows.recv().await {
        let heap = heap?;
        for row in &heap {
            sink.write(row)?;
        }
        count += heap.len() as u64;
    }
    sink.finish()?;
    Ok(count)
}

fn sink<'o>(
    format: Format,
    output: impl Write + Send + 'o,
) -> Result<Box<dyn Sink + Send + 'o>, StoreError> {
    Ok(match format {
        Format::Csv => Box::new(csv::CsvSink::new(output)?),
        Format::Jsonl => Box::new(jsonl::JsonlSink::new(output)),
        Format::Parquet => Box::new(parquet::ParquetSink::new(output)?),
    })
}

/// Rows that are read in one go. A long read would keep the write-ahead log from being emptied; 512 of the longest
/// records that the protocol allows are 16 MB.
const PAGE: i64 = 512;

/// The name of the spool in the file; empty in one that no version with names has written to.
async fn spool(connection: &mut SqliteConnection) -> sqlx::Result<Arc<str>> {
    let named: bool =
        sqlx::query_scalar("SELECT count(*) FROM soulseek.sqlite_master WHERE name = 'spool'")
            .fetch_one(&mut *connection)
            .await?;
    if !named {
        return Ok(Arc::default());
    }
    let name: String = sqlx::query_scalar("SELECT id FROM spool")
        .fetch_one(connection)
        .await?;
    Ok(name.into())
}

async fn page(
    connection: &mut SqliteConnection,
    spool: &Arc<str>,
    filter: Filter,
    from: i64,
    to: i64,
) -> sqlx::Result<Vec<Row>> {
    // CROSS JOIN makes SQLite go through `search` in the order of its key.
    let sql = "SELECT client.name, seq, received_at, username, query, query_raw, token, source, branch_level \
               FROM search CROSS JOIN client ON client.id = search.client \
               WHERE search.id > ? AND search.id <= ? AND received_at >= ? AND received_at < ? ORDER BY search.id";
    let Range { start, end } = filter.micros();
    let rows = sqlx::query(sql)
        .bind(from)
        .bind(to)
        .bind(start)
        .bind(end)
        .fetch_all(connection)
        .await?;
    rows.iter().map(|record| row(record, spool)).collect()
}

fn row(record: &SqliteRow, spool: &Arc<str>) -> sqlx::Result<Row> {
    let client_id: &str = record.try_get(0)?;
    let origin: i64 = record.try_get(7)?;
    let number = |index| -> sqlx::Result<u32> {
        let number: i64 = record.try_get(index)?;
        Ok(u32::try_from(number).unwrap_or(u32::MAX))
    };
    Ok(Row {
        client_id: client_id.into(),
        spool: Arc::clone(spool),
        seq: record.try_get(1)?,
        received_at: record.try_get(2)?,
        username: record.try_get(3)?,
        query: record.try_get(4)?,
        query_raw: record.try_get(5)?,
        token: number(6)?,
        source: Source::of_code(origin),
        branch_level: number(8)?,
        canary: origin & 4 != 0,
    })
}

impl Filter {
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub(crate) fn micros(&self) -> Range<i64> {
        self.since.map_or(i64::MIN, ceiling)..self.until.map_or(i64::MAX, ceiling)
    }
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
