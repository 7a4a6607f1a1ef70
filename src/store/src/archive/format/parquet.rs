//! Apache Parquet with zstd: row groups in the order of time, each sorted inside.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{ChunkReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::record::RowAccessor as _;
use parquet::record::reader::RowIter;
use parquet::schema::parser::parse_message_type;

use super::{FormatError, Summary};
use crate::{Row, Source};

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
    required boolean canary;
    optional binary query_raw;
}";

const GROUP_ROWS: usize = 250_000;

pub(crate) struct ParquetWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    rows: Vec<Row>,
    summary: Summary,
}

impl<W: Write + Send> ParquetWriter<W> {
    pub(crate) fn new(output: W) -> Result<Self, FormatError> {
        let open = || {
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(ZstdLevel::try_new(9)?))
                .build();
            SerializedFileWriter::new(
                output,
                Arc::new(parse_message_type(SCHEMA)?),
                Arc::new(properties),
            )
        };
        Ok(Self {
            file: open().map_err(damaged)?,
            rows: Vec::new(),
            summary: Summary::default(),
        })
    }

    pub(crate) fn push(&mut self, row: Row) -> Result<(), FormatError> {
        self.summary.add(&row);
        self.rows.push(row);
        if self.rows.len() >= GROUP_ROWS {
            self.write_group().map_err(damaged)?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Summary, FormatError> {
        if !self.rows.is_empty() {
            self.write_group().map_err(damaged)?;
        }
        self.file.close().map_err(damaged)?;
        Ok(self.summary)
    }

    fn write_group(&mut self) -> ParquetResult<()> {
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_by(|a, b| {
            (&a.username, &a.query, a.received_at).cmp(&(&b.username, &b.query, b.received_at))
        });
        let mut group = self.file.next_row_group()?;
        let text = |of: &dyn Fn(&Row) -> &str| -> Vec<ByteArray> {
            rows.iter().map(|row| of(row).into()).collect()
        };
        column::<ByteArrayType, W>(&mut group, &text(&|row| &row.client_id), None)?;
        column::<ByteArrayType, W>(&mut group, &text(&|row| &row.spool), None)?;
        let long = |of: &dyn Fn(&Row) -> i64| -> Vec<i64> { rows.iter().map(of).collect() };
        column::<Int64Type, W>(&mut group, &long(&|row| row.seq), None)?;
        column::<Int64Type, W>(&mut group, &long(&|row| row.received_at), None)?;
        column::<ByteArrayType, W>(&mut group, &text(&|row| &row.username), None)?;
        column::<ByteArrayType, W>(&mut group, &text(&|row| &row.query), None)?;
        column::<Int64Type, W>(&mut group, &long(&|row| row.token.into()), None)?;
        column::<ByteArrayType, W>(&mut group, &text(&|row| row.source.as_str()), None)?;
        let levels: Vec<i32> = rows
            .iter()
            .map(|row| row.branch_level.cast_signed())
            .collect();
        column::<Int32Type, W>(&mut group, &levels, None)?;
        let canaries: Vec<bool> = rows.iter().map(|row| row.canary).collect();
        column::<BoolType, W>(&mut group, &canaries, None)?;
        let there: Vec<i16> = rows
            .iter()
            .map(|row| row.query_raw.is_some().into())
            .collect();
        let raw: Vec<ByteArray> = rows
            .iter()
            .filter_map(|row| row.query_raw.clone().map(ByteArray::from))
            .collect();
        column::<ByteArrayType, W>(&mut group, &raw, Some(&there))?;
        group.close()?;
        Ok(())
    }
}

fn column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    there: Option<&[i16]>,
) -> ParquetResult<()> {
    let missing = || ParquetError::General("the schema has fewer columns than the rows".into());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, there, None)?;
    column.close()
}

pub(crate) fn read_parquet<R: ChunkReader + 'static>(
    file: R,
    micros: Option<Range<i64>>,
) -> Result<impl Iterator<Item = Result<Row, FormatError>> + use<R>, FormatError> {
    let reader = SerializedFileReader::new(file).map_err(damaged)?;
    let rows = RowIter::from_file_into(Box::new(reader)).map(|row| {
        let row = row.map_err(damaged)?;
        let read = || -> ParquetResult<Row> {
            Ok(Row {
                client_id: row.get_string(0)?.as_str().into(),
                spool: row.get_string(1)?.as_str().into(),
                seq: row.get_long(2)?,
                received_at: row.get_timestamp_micros(3)?,
                username: row.get_string(4)?.clone(),
                query: row.get_string(5)?.clone(),
                token: u32::try_from(row.get_long(6)?).unwrap_or_default(),
                source: match row.get_string(7)?.as_str() {
                    "parent" => Source::Parent,
                    "embedded" => Source::Embedded,
                    "server" => Source::Server,
                    _ => Source::Direct,
                },
                branch_level: row.get_int(8)?.cast_unsigned(),
                canary: row.get_bool(9)?,
                query_raw: row.get_bytes(10).ok().map(|bytes| bytes.data().to_vec()),
            })
        };
        read().map_err(damaged)
    });
    let wanted = move |row: &Result<Row, FormatError>| match (row, &micros) {
        (Ok(row), Some(micros)) => micros.contains(&row.received_at),
        _ => true,
    };
    Ok(rows.filter(wanted))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn damaged(error: ParquetError) -> FormatError {
    FormatError::Damaged(error.to_string())
}
