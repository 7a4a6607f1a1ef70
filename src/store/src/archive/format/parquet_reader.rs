//! Reading a Parquet archive back, a row group after the other.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    FooterTail, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::file::reader::{ChunkReader, Length, SerializedPageReader};
use parquet::file::statistics::Statistics;

use super::csv_gz::Names;
use super::schema::{COLUMNS, schema};
use super::{FileError, pages};
use crate::{Row, Source};

/// More than any part of a file that is read in one go: its end, a row group, a page. Anything larger is not ours.
pub(super) const MOST_BYTES: usize = 256 << 20;
/// The last bytes: the length of the metadata and `PAR1`.
const TAIL: usize = 8;
/// Rows that are decoded in one go.
const BATCH: usize = 8192;

/// The rows of a Parquet archive, those received within `range` (microseconds) where one is given.
///
/// `file` is how messages name it. Row groups that hold no row of the range are not read. Each of the others is fetched
/// in one piece, about 25 MB. Ends after the first error. The rows of a group come in the order in which they are sorted.
pub fn read_parquet<R: ChunkReader>(
    file: impl Into<String>,
    input: R,
    range: Option<Range<i64>>,
) -> Result<ParquetRows<R>, FileError> {
    let file = file.into();
    let metadata = read_metadata(&file, &input)?;
    Ok(ParquetRows {
        file,
        input,
        metadata,
        range,
        next_group: 0,
        group: None,
        rows: VecDeque::new(),
        names: Names::default(),
        ended: false,
    })
}

fn read_metadata(file: &str, input: &impl ChunkReader) -> Result<ParquetMetaData, FileError> {
    let not_ours = |reason: &str| FileError::NotAnArchive {
        file: file.to_owned(),
        reason: reason.to_owned(),
    };
    let damaged = |reason: String| FileError::Damaged {
        file: file.to_owned(),
        place: "the end".into(),
        reason,
    };
    let size = input.len();
    let Some(tail_at) = size.checked_sub(TAIL as u64) else {
        return Err(damaged(format!("it has only {size} bytes")));
    };
    let fetch = |start, length| {
        input
            .get_bytes(start, length)
            .map_err(|error| FileError::reading(file, error))
    };
    let tail = fetch(tail_at, TAIL)?;
    let tail = FooterTail::try_from(&*tail)
        .map_err(|_| damaged("it does not end as a Parquet file does".into()))?;
    let length = tail.metadata_length();
    let start = tail_at
        .checked_sub(length as u64)
        .filter(|_| length <= MOST_BYTES);
    let Some(start) = start else {
        return Err(damaged("the metadata would be longer than the file".into()));
    };
    let bytes = fetch(start, length)?;
    let metadata = guarded(|| Ok(ParquetMetaDataReader::decode_metadata(&bytes)?));
    let metadata = metadata.map_err(damaged)?;
    let expected = schema().map_err(FileError::Encode)?;
    if metadata.file_metadata().schema().get_fields() != expected.get_fields() {
        return Err(not_ours("its columns are not those of an archive"));
    }
    Ok(metadata)
}

/// Runs the decoder, which was not made for hostile input: for damage that is not found before, its answer may be a
/// panic. Nothing of what it worked on is used after that.
fn guarded<T>(decode: impl FnOnce() -> Result<T, Undecodable>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(result) => result.map_err(|Undecodable(reason)| reason),
        Err(_) => Err("the decoder gave up".into()),
    }
}

/// Why bytes cannot be decoded.
struct Undecodable(String);

impl From<ParquetError> for Undecodable {
    fn from(error: ParquetError) -> Self {
        Self(error.to_string())
    }
}

impl From<&str> for Undecodable {
    fn from(reason: &str) -> Self {
        Self(reason.to_owned())
    }
}

/// Iterates over the rows of a Parquet archive, see [`read_parquet`].
pub struct ParquetRows<R> {
    file: String,
    input: R,
    metadata: ParquetMetaData,
    range: Option<Range<i64>>,
    next_group: usize,
    group: Option<Group>,
    rows: VecDeque<Row>,
    names: Names,
    ended: bool,
}

impl<R: ChunkReader> ParquetRows<R> {
    /// How many rows the file says that it has, in any range.
    pub fn records(&self) -> i64 {
        self.metadata.file_metadata().num_rows()
    }

    fn next_row(&mut self) -> Result<Option<Row>, FileError> {
        loop {
            while let Some(row) = self.rows.pop_front() {
                if self
                    .range
                    .as_ref()
                    .is_none_or(|range| range.contains(&row.received_at))
                {
                    return Ok(Some(row));
                }
            }
            if let Some(group) = &mut self.group {
                let names = &mut self.names;
                let rows = &mut self.rows;
                let more = guarded(|| group.read(names, rows));
                let place = format!("row group {}", group.number);
                if !more.map_err(|reason| self.damaged(place, reason))? {
                    self.group = None;
                }
            } else if self.next_group < self.metadata.num_row_groups() {
                self.next_group += 1;
                self.open_group(self.next_group - 1)?;
            } else {
                return Ok(None);
            }
        }
    }

    fn damaged(&self, place: String, reason: String) -> FileError {
        FileError::Damaged {
            file: self.file.clone(),
            place,
            reason,
        }
    }

    /// Fetches a row group, unless it holds nothing of the range.
    fn open_group(&mut self, number: usize) -> Result<(), FileError> {
        let damaged = |reason| self.damaged(format!("row group {number}"), reason);
        let group = self.metadata.row_group(number);
        if let Some(range) = &self.range
            && let Some((first, last)) = times(group)
            && (last < range.start || first >= range.end)
        {
            return Ok(());
        }
        let place = guarded(|| Ok(place(group, self.input.len())?)).map_err(damaged)?;
        let length = usize::try_from(place.end - place.start).unwrap_or(usize::MAX);
        let bytes = self
            .input
            .get_bytes(place.start, length)
            .map_err(|error| FileError::reading(&self.file, error))?;
        if bytes.len() != length {
            return Err(damaged("it is not there in full".into()));
        }
        let piece = Piece {
            start: place.start,
            bytes,
        };
        let open = guarded(|| Group::open(number, group, piece));
        self.group = Some(open.map_err(damaged)?);
        Ok(())
    }
}

impl<R: ChunkReader> Iterator for ParquetRows<R> {
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

impl<R> std::fmt::Debug for ParquetRows<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetRows")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

const RECEIVED_AT: usize = 3;

/// The first and the last time of a group, where the file says so.
fn times(group: &RowGroupMetaData) -> Option<(i64, i64)> {
    match group.columns().get(RECEIVED_AT)?.statistics()? {
        Statistics::Int64(times) => Some((*times.min_opt()?, *times.max_opt()?)),
        _ => None,
    }
}

/// Where the columns of a group lie in the file: one behind the other, before its end.
fn place(group: &RowGroupMetaData, file_size: u64) -> Result<Range<u64>, &'static str> {
    let ranges = group.columns().iter().map(|column| {
        let (start, length) = column.byte_range();
        (start, start.saturating_add(length))
    });
    let start = ranges.clone().map(|(start, _)| start).min().unwrap_or(0);
    let end = ranges.map(|(_, end)| end).max().unwrap_or(0);
    if start > end || end > file_size {
        return Err("it would lie behind the end of the file");
    }
    if end - start > MOST_BYTES as u64 {
        return Err("it would be larger than any that we write");
    }
    Ok(start..end)
}

/// A part of a file, in memory. Knows positions in the file.
#[derive(Clone)]
struct Piece {
    start: u64,
    bytes: Bytes,
}

impl Piece {
    fn part(&self, start: u64, length: usize) -> Option<Bytes> {
        let from = usize::try_from(start.checked_sub(self.start)?).ok()?;
        let to = from.checked_add(length)?;
        (to <= self.bytes.len()).then(|| self.bytes.slice(from..to))
    }
}

impl Length for Piece {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Piece {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let length = usize::try_from(self.len().saturating_sub(start)).unwrap_or(usize::MAX);
        self.get_bytes(start, length).map(Bytes::reader)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.part(start, length)
            .ok_or_else(|| ParquetError::EOF("a page lies outside its row group".into()))
    }
}

/// A row group that is being decoded, all columns in step.
struct Group {
    number: usize,
    left: usize,
    client_id: Column<ByteArrayType>,
    spool: Column<ByteArrayType>,
    seq: Column<Int64Type>,
    received_at: Column<Int64Type>,
    username: Column<ByteArrayType>,
    query: Column<ByteArrayType>,
    token: Column<Int32Type>,
    source: Column<ByteArrayType>,
    branch_level: Column<Int32Type>,
    canary: Column<BoolType>,
    query_raw: Column<ByteArrayType>,
}

impl Group {
    fn open(number: usize, group: &RowGroupMetaData, piece: Piece) -> Result<Self, Undecodable> {
        let rows = usize::try_from(group.num_rows()).map_err(|_| "it has less than no rows")?;
        let piece = Arc::new(piece);
        let opener = Opener { group, piece, rows };
        Ok(Self {
            number,
            left: rows,
            client_id: opener.column(0)?,
            spool: opener.column(1)?,
            seq: opener.column(2)?,
            received_at: opener.column(RECEIVED_AT)?,
            username: opener.column(4)?,
            query: opener.column(5)?,
            token: opener.column(6)?,
            source: opener.column(7)?,
            branch_level: opener.column(8)?,
            canary: opener.column(9)?,
            query_raw: opener.column(10)?,
        })
    }

    /// Decodes some rows; false at the end.
    fn read(&mut self, names: &mut Names, rows: &mut VecDeque<Row>) -> Result<bool, Undecodable> {
        let count = self.left.min(BATCH);
        if count == 0 {
            return Ok(false);
        }
        self.left -= count;
        self.client_id.read(count)?;
        self.spool.read(count)?;
        self.seq.read(count)?;
        self.received_at.read(count)?;
        self.username.read(count)?;
        self.query.read(count)?;
        self.token.read(count)?;
        self.source.read(count)?;
        self.branch_level.read(count)?;
        self.canary.read(count)?;
        self.query_raw.read(count)?;
        let mut raw = self.query_raw.values.iter();
        for n in 0..count {
            let source = utf8("source", &self.source.values[n])?;
            let has_raw = self.query_raw.levels[n] > 0;
            rows.push_back(Row {
                client_id: names.shared(utf8("client_id", &self.client_id.values[n])?),
                spool: names.shared(utf8("spool", &self.spool.values[n])?),
                seq: self.seq.values[n],
                received_at: self.received_at.values[n],
                username: utf8("username", &self.username.values[n])?.to_owned(),
                query: utf8("query", &self.query.values[n])?.to_owned(),
                query_raw: raw
                    .by_ref()
                    .take(usize::from(has_raw))
                    .next()
                    .map(|raw| raw.data().to_vec()),
                token: self.token.values[n].cast_unsigned(),
                source: Source::of_word(source).ok_or("column source: an unknown word")?,
                branch_level: self.branch_level.values[n].cast_unsigned(),
                canary: self.canary.values[n],
            });
        }
        Ok(true)
    }
}

fn utf8<'b>(column: &str, bytes: &'b ByteArray) -> Result<&'b str, Undecodable> {
    std::str::from_utf8(bytes.data())
        .map_err(|error| Undecodable(format!("column {column}: {error}")))
}

struct Opener<'g> {
    group: &'g RowGroupMetaData,
    piece: Arc<Piece>,
    rows: usize,
}

impl Opener<'_> {
    fn column<T: DataType>(&self, number: usize) -> Result<Column<T>, Undecodable> {
        let (name, _, _) = COLUMNS[number];
        let failed = |reason: &str| Undecodable(format!("column {name}: {reason}"));
        let column = self
            .group
            .columns()
            .get(number)
            .ok_or_else(|| failed("it is missing"))?;
        let (start, length) = column.byte_range();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let chunk = self
            .piece
            .part(start, length)
            .ok_or_else(|| failed("it lies elsewhere"))?;
        pages::check(&chunk, self.rows).map_err(failed)?;
        let pages = SerializedPageReader::new(Arc::clone(&self.piece), column, self.rows, None)?;
        let descriptor = column.column_descr_ptr();
        if descriptor.physical_type() != T::get_physical_type() {
            return Err(failed("it has another type"));
        }
        Ok(Column {
            name,
            reader: ColumnReaderImpl::new(descriptor, Box::new(pages)),
            values: Vec::new(),
            levels: Vec::new(),
        })
    }
}

struct Column<T: DataType> {
    name: &'static str,
    reader: ColumnReaderImpl<T>,
    values: Vec<T::T>,
    /// 1 where there is a value; empty for columns that have one in every row.
    levels: Vec<i16>,
}

impl<T: DataType> Column<T> {
    fn read(&mut self, count: usize) -> Result<(), Undecodable> {
        let failed = |reason: &str| Undecodable(format!("column {}: {reason}", self.name));
        self.values.clear();
        self.levels.clear();
        let (values, levels) = (&mut self.values, &mut self.levels);
        let read = self.reader.read_records(count, Some(levels), None, values);
        match read {
            Ok((records, _, _)) if records == count => Ok(()),
            Ok(_) => Err(failed("it ends too early")),
            Err(error) => Err(failed(&error.to_string())),
        }
    }
}
