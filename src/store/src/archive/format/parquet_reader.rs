//! Reading a Parquet archive back, a row group after the other.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::file::metadata::{
    FooterTail, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::file::reader::ChunkReader;
use parquet::file::statistics::Statistics;

use super::FileError;
use super::csv_gz::Names;
use super::group_reader::{Group, Piece, RECEIVED_AT, Undecodable};
use super::schema::schema;
use crate::Row;

// What is larger than this is not ours. The writer's row groups have at most two million rows and 40 MB of texts.
const LARGEST_METADATA: usize = 16 << 20;
const LARGEST_GROUP: u64 = 128 << 20;
/// The last bytes: the length of the metadata and `PAR1`.
const TAIL: usize = 8;

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
        .filter(|_| length <= LARGEST_METADATA);
    let Some(start) = start else {
        return Err(damaged(
            "the metadata would be longer than that of any file".into(),
        ));
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
    if end - start > LARGEST_GROUP {
        return Err("it would be larger than any that we write");
    }
    Ok(start..end)
}
