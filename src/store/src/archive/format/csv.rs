//! csv.gz, for people who want it.

use std::io::Write;
use std::ops::Range;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use parquet::file::reader::ChunkReader;

use super::{FormatError, Summary};
use crate::{Row, Source};

const HEADER: [&str; 11] = [
    "client_id",
    "spool",
    "seq",
    "received_at",
    "username",
    "query",
    "token",
    "source",
    "branch_level",
    "canary",
    "query_raw",
];

pub(crate) struct CsvGzWriter<W: Write> {
    csv: csv::Writer<GzEncoder<W>>,
    summary: Summary,
}

impl<W: Write> CsvGzWriter<W> {
    pub(crate) fn new(output: W) -> Result<Self, FormatError> {
        let mut csv = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(GzEncoder::new(output, Compression::new(6)));
        csv.write_record(HEADER).map_err(damaged)?;
        Ok(Self {
            csv,
            summary: Summary::default(),
        })
    }

    pub(crate) fn push(&mut self, row: &Row) -> Result<(), FormatError> {
        self.summary.add(row);
        self.csv
            .write_record([
                &*row.client_id,
                &*row.spool,
                &row.seq.to_string(),
                &crate::export::rfc3339(row.received_at),
                &row.username,
                &row.query,
                &row.token.to_string(),
                row.source.as_str(),
                &row.branch_level.to_string(),
                if row.canary { "true" } else { "false" },
                &row.query_raw
                    .as_deref()
                    .map(crate::export::hex)
                    .unwrap_or_default(),
            ])
            .map_err(damaged)
    }

    pub(crate) fn finish(self) -> Result<Summary, FormatError> {
        let gzip = self
            .csv
            .into_inner()
            .map_err(|error| FormatError::Damaged(error.to_string()))?;
        gzip.finish()?.flush()?;
        Ok(self.summary)
    }
}

pub(crate) fn read_csv<R: ChunkReader + 'static>(
    file: R,
    micros: Option<Range<i64>>,
) -> Result<impl Iterator<Item = Result<Row, FormatError>> + use<R>, FormatError> {
    let bytes = file
        .get_read(0)
        .map_err(|error| FormatError::Damaged(error.to_string()))?;
    let reader = csv::ReaderBuilder::new().from_reader(GzDecoder::new(bytes));
    let rows = reader.into_records().map(|record| {
        let record = record.map_err(damaged)?;
        read_row(&record)
            .ok_or_else(|| FormatError::Damaged(format!("no record: {:?}", record.position())))
    });
    let wanted = move |row: &Result<Row, FormatError>| match (row, &micros) {
        (Ok(row), Some(micros)) => micros.contains(&row.received_at),
        _ => true,
    };
    Ok(rows.filter(wanted))
}

fn read_row(record: &csv::StringRecord) -> Option<Row> {
    let at: jiff::Timestamp = record.get(3)?.parse().ok()?;
    let raw = record.get(10)?;
    let byte = |index: usize| u8::from_str_radix(raw.get(index..index + 2)?, 16).ok();
    Some(Row {
        client_id: record.get(0)?.into(),
        spool: record.get(1)?.into(),
        seq: record.get(2)?.parse().ok()?,
        received_at: at.as_microsecond(),
        username: record.get(4)?.to_owned(),
        query: record.get(5)?.to_owned(),
        token: record.get(6)?.parse().ok()?,
        source: match record.get(7)? {
            "parent" => Source::Parent,
            "embedded" => Source::Embedded,
            "server" => Source::Server,
            _ => Source::Direct,
        },
        branch_level: record.get(8)?.parse().ok()?,
        canary: record.get(9)? == "true",
        query_raw: if raw.is_empty() {
            None
        } else {
            (0..raw.len()).step_by(2).map(byte).collect()
        },
    })
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn damaged(error: csv::Error) -> FormatError {
    FormatError::Damaged(error.to_string())
}
