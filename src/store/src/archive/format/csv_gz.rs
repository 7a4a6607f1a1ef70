//! Writing and reading an archive as CSV (RFC 4180) compressed with gzip, in the order of arrival.
//!
//! Times are RFC 3339 in UTC with microseconds, bytes are hexadecimal digits, the line ends are CR LF.

use std::io::{self, Read, Write};
use std::ops::Range;
use std::sync::Arc;

use csv::{ErrorKind, StringRecord};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;

use super::schema::COLUMNS;
use super::tally::Tally;
use super::{FileError, Hashing, Summary};
use crate::export::{hex, rfc3339};
use crate::{Row, Source};

/// Writes rows to a compressed table. Needs no memory to speak of.
pub struct CsvGzWriter<W: Write> {
    table: csv::Writer<GzEncoder<Hashing<W>>>,
    tally: Tally,
}

impl<W: Write> CsvGzWriter<W> {
    /// A table without rows.
    pub fn new(output: W) -> Result<Self, FileError> {
        let compressed = GzEncoder::new(Hashing::new(output), Compression::default());
        let mut table = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(compressed);
        table
            .write_record(COLUMNS.map(|(name, _, _)| name))
            .map_err(writing)?;
        Ok(Self {
            table,
            tally: Tally::default(),
        })
    }

    /// Adds a row.
    pub fn push(&mut self, row: &Row) -> Result<(), FileError> {
        self.tally.add(row);
        let fields = [
            &*row.client_id,
            &*row.spool,
            &row.seq.to_string(),
            &rfc3339(row.received_at),
            &row.username,
            &row.query,
            &row.token.to_string(),
            row.source.as_str(),
            &row.branch_level.to_string(),
            if row.canary { "true" } else { "false" },
            &row.query_raw.as_deref().map(hex).unwrap_or_default(),
        ];
        self.table.write_record(fields).map_err(writing)
    }

    /// Writes what is held back and the end of the file. The file is complete; to keep it is up to `output`.
    pub fn finish(self) -> Result<(Summary, W), FileError> {
        let compressed = self
            .table
            .into_inner()
            .map_err(|error| FileError::Write(error.into_error()))?;
        let (file, output) = compressed.finish().map_err(FileError::Write)?.finish();
        Ok((self.tally.summary(file), output))
    }
}

impl<W: Write> std::fmt::Debug for CsvGzWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CsvGzWriter")
            .field("records", &self.tally.records)
            .finish_non_exhaustive()
    }
}

fn writing(error: csv::Error) -> FileError {
    FileError::Write(match error.into_kind() {
        ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    })
}

/// A damaged quote makes one record of the rest of a file. Longer ones than this, compressed bytes that expand without
/// end included, are not ours.
const LONGEST_RECORD: u64 = 32 << 20;

/// The rows of a compressed table, those received within `range` (microseconds) where one is given.
///
/// `file` is how messages name it. Ends after the first error.
pub fn read_csv_gz<R: Read>(
    file: impl Into<String>,
    input: R,
    range: Option<Range<i64>>,
) -> Result<CsvRows<R>, FileError> {
    let limited = Limited {
        input: MultiGzDecoder::new(input),
        left: LONGEST_RECORD,
    };
    let mut rows = CsvRows {
        file: file.into(),
        table: csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(limited),
        record: StringRecord::new(),
        range,
        names: Names::default(),
        ended: false,
    };
    let found = rows.read_record()?;
    if found && rows.record.iter().eq(COLUMNS.map(|(name, _, _)| name)) {
        return Ok(rows);
    }
    Err(FileError::NotAnArchive {
        file: rows.file,
        reason: "the first line does not name the columns of an archive".into(),
    })
}

/// Iterates over the rows of a compressed table, see [`read_csv_gz`].
pub struct CsvRows<R: Read> {
    file: String,
    table: csv::Reader<Limited<MultiGzDecoder<R>>>,
    record: StringRecord,
    range: Option<Range<i64>>,
    names: Names,
    ended: bool,
}

impl<R: Read> CsvRows<R> {
    /// False at the end.
    fn read_record(&mut self) -> Result<bool, FileError> {
        self.table.get_mut().left = LONGEST_RECORD;
        self.table
            .read_record(&mut self.record)
            .map_err(|error| self.failed(error))
    }

    fn failed(&self, error: csv::Error) -> FileError {
        match error.into_kind() {
            ErrorKind::Io(source) if !tells_of_damage(&source) => FileError::Read {
                file: self.file.clone(),
                source,
            },
            ErrorKind::Io(source) => self.damaged(source.to_string()),
            ErrorKind::Utf8 { err, .. } => self.damaged(err.to_string()),
            other => self.damaged(format!("{other:?}")),
        }
    }

    /// The place is the line on which the last record ends.
    fn damaged(&self, reason: String) -> FileError {
        let line = self.table.position().line();
        FileError::Damaged {
            file: self.file.clone(),
            place: format!("line {line}"),
            reason,
        }
    }

    fn row(&mut self) -> Result<Row, String> {
        let mut fields = self.record.iter();
        let mut next = |column: &str| fields.next().ok_or(format!("there is no {column}"));
        let row = Row {
            client_id: self.names.shared(next("client_id")?),
            spool: self.names.shared(next("spool")?),
            seq: number("seq", next("seq")?)?,
            received_at: parse_micros(next("received_at")?)
                .ok_or("received_at is not a time in RFC 3339")?,
            username: next("username")?.to_owned(),
            query: next("query")?.to_owned(),
            token: number("token", next("token")?)?,
            source: Source::of_word(next("source")?).ok_or("source is not known")?,
            branch_level: number("branch_level", next("branch_level")?)?,
            canary: number("canary", next("canary")?)?,
            query_raw: bytes(next("query_raw")?)?,
        };
        match fields.next() {
            None => Ok(row),
            Some(_) => Err("there are more fields than columns".into()),
        }
    }

    fn next_row(&mut self) -> Result<Option<Row>, FileError> {
        loop {
            if !self.read_record()? {
                return Ok(None);
            }
            let row = self.row().map_err(|reason| self.damaged(reason))?;
            if self
                .range
                .as_ref()
                .is_none_or(|range| range.contains(&row.received_at))
            {
                return Ok(Some(row));
            }
        }
    }
}

impl<R: Read> Iterator for CsvRows<R> {
    type Item = Result<Row, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_row().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<R: Read> std::fmt::Debug for CsvRows<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CsvRows")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// What the decompression says of bytes, in contrast to what the system says of reading them.
fn tells_of_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

/// Passes on only so much.
struct Limited<R> {
    input: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let text = format!("a record is longer than {LONGEST_RECORD} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let read = self.input.read(buffer)?;
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

/// Texts that nearly all rows share with the one before.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<Arc<str>>);

impl Names {
    const MOST: usize = 64;

    pub(super) fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.iter().find(|known| &***known == text) {
            return Arc::clone(known);
        }
        let name: Arc<str> = text.into();
        if self.0.len() < Self::MOST {
            self.0.push(Arc::clone(&name));
        }
        name
    }
}

fn number<T: std::str::FromStr>(column: &str, text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{column} cannot be {text:?}"))
}

/// The opposite of [`rfc3339`].
pub(super) fn parse_micros(text: &str) -> Option<i64> {
    let moment = text.parse::<Timestamp>().map(Timestamp::as_microsecond);
    moment.ok().or_else(|| text.parse().ok())
}

fn bytes(digits: &str) -> Result<Option<Vec<u8>>, String> {
    if digits.is_empty() {
        return Ok(None);
    }
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair)
            .ok()
            .filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    };
    let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(byte).collect();
    bytes.map(Some).ok_or("query_raw is not hexadecimal".into())
}
