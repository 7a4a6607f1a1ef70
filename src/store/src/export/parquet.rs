//! Apache Parquet with zstd, one row group after the other.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::{Row, Sink};
use crate::StoreError;

const SCHEMA: &str = "
message search {
    required binary client_id (STRING);
    required binary spool (STRING);
    required int64 seq;
    required int64 received_at (TIMESTAMP(MICROS, true));
    required binary username (STRING);
    required binary query (STRING);
    required int64 token;
    required binary source (STRING);
    required int32 branch_level;
    optional binary query_raw;
    required boolean canary;
}";

/// What is held in memory before it is written: whichever of the two comes first ends a row group.
const GROUP_ROWS: usize = 65_536;
const GROUP_BYTES: usize = 16 << 20;

pub(super) struct ParquetSink<W: Write + Send> {
    file: SerializedFileWriter<W>,
    group: Group,
}

/// The columns of a row group.
#[derive(Default)]
struct Group {
    bytes: usize,
    client_id: Vec<ByteArray>,
    spool: Vec<ByteArray>,
    seq: Vec<i64>,
    received_at: Vec<i64>,
    username: Vec<ByteArray>,
    query: Vec<ByteArray>,
    token: Vec<i64>,
    source: Vec<ByteArray>,
    branch_level: Vec<i32>,
    /// Only the values that are there.
    query_raw: Vec<ByteArray>,
    /// 1 where there is a value, a row each.
    query_raw_there: Vec<i16>,
    canary: Vec<bool>,
}

impl<W: Write + Send> ParquetSink<W> {
    pub(super) fn new(output: W) -> std::result::Result<Self, StoreError> {
        let open = || {
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
                .build();
            SerializedFileWriter::new(
                output,
                Arc::new(parse_message_type(SCHEMA)?),
                Arc::new(properties),
            )
        };
        Ok(Self {
            file: open().map_err(failed)?,
            group: Group::default(),
        })
    }

    fn write_group(&mut self) -> Result<()> {
        let group = std::mem::take(&mut self.group);
        let mut writer = self.file.next_row_group()?;
        group.write(&mut writer)?;
        writer.close()?;
        Ok(())
    }
}

impl<W: Write + Send> Sink for ParquetSink<W> {
    fn write(&mut self, row: &Row) -> std::result::Result<(), StoreError> {
        self.group.push(row);
        if self.group.seq.len() >= GROUP_ROWS || self.group.bytes >= GROUP_BYTES {
            self.write_group().map_err(failed)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> std::result::Result<(), StoreError> {
        if !self.group.seq.is_empty() {
            self.write_group().map_err(failed)?;
        }
        self.file.close().map_err(failed)?;
        Ok(())
    }
}

impl Group {
    fn push(&mut self, row: &Row) {
        let raw = row.query_raw.as_deref();
        self.bytes += row.username.len() + row.query.len() + raw.map_or(0, <[u8]>::len);
        self.client_id.push((&*row.client_id).into());
        self.spool.push((&*row.spool).into());
        self.seq.push(row.seq);
        self.received_at.push(row.received_at);
        self.username.push(row.username.as_str().into());
        self.query.push(row.query.as_str().into());
        self.token.push(row.token.into());
        self.source.push(row.source.as_str().into());
        self.branch_level
            .push(i32::try_from(row.branch_level).unwrap_or(i32::MAX));
        self.query_raw_there.push(i16::from(raw.is_some()));
        self.query_raw.extend(raw.map(ByteArray::from));
        self.canary.push(row.canary);
    }

    /// In the order of the schema.
    fn write<W: Write + Send>(&self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        column::<ByteArrayType, W>(group, &self.client_id, None)?;
        column::<ByteArrayType, W>(group, &self.spool, None)?;
        column::<Int64Type, W>(group, &self.seq, None)?;
        column::<Int64Type, W>(group, &self.received_at, None)?;
        column::<ByteArrayType, W>(group, &self.username, None)?;
        column::<ByteArrayType, W>(group, &self.query, None)?;
        column::<Int64Type, W>(group, &self.token, None)?;
        column::<ByteArrayType, W>(group, &self.source, None)?;
        column::<Int32Type, W>(group, &self.branch_level, None)?;
        column::<ByteArrayType, W>(group, &self.query_raw, Some(&self.query_raw_there))?;
        column::<BoolType, W>(group, &self.canary, None)
    }
}

fn column<T: parquet::data_type::DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    there: Option<&[i16]>,
) -> Result<()> {
    let missing = || ParquetError::General("the schema has fewer columns than the rows".into());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, there, None)?;
    column.close()
}

fn failed(error: ParquetError) -> StoreError {
    StoreError::Parquet(error)
}
