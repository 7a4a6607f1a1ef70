//! Decodes one row group of a Parquet archive, all columns in step.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, Length, SerializedPageReader};

use super::csv_gz::Names;
use super::pages;
use super::schema::COLUMNS;
use crate::{Row, Source};

/// Rows that are decoded in one go.
const BATCH: usize = 8192;
/// More than the two million that the writer puts into a group.
const MOST_ROWS: usize = 4_000_000;
pub(super) const RECEIVED_AT: usize = 3;

/// Why bytes cannot be decoded.
pub(super) struct Undecodable(pub(super) String);

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

/// A part of a file, in memory. Knows positions in the file.
pub(super) struct Piece {
    pub(super) start: u64,
    pub(super) bytes: Bytes,
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
pub(super) struct Group {
    pub(super) number: usize,
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
    pub(super) fn open(
        number: usize,
        group: &RowGroupMetaData,
        piece: Piece,
    ) -> Result<Self, Undecodable> {
        let rows = usize::try_from(group.num_rows())
            .ok()
            .filter(|&rows| rows <= MOST_ROWS)
            .ok_or("it would have more rows than any that we write")?;
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
    pub(super) fn read(
        &mut self,
        names: &mut Names,
        rows: &mut VecDeque<Row>,
    ) -> Result<bool, Undecodable> {
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
