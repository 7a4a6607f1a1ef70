//! A row group: rows that are held in memory, and how they are sorted and written.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::writer::SerializedRowGroupWriter;

use super::texts::{Frozen, Texts, small};
use crate::{Row, Source};

/// Rows after which a group ends. More of them compress better, by 5 % from one million to two, by 0.5 % to three.
const ROWS: usize = 2_000_000;
/// Bytes of different texts after which a group ends, so that long queries do not need more memory than many.
const TEXT_BYTES: usize = 40 << 20;
/// What a text costs beside its bytes, here and in the dictionary that it goes to.
const TEXT_COST: usize = 32;
/// Values that are handed over in one go.
const BATCH: usize = 16_384;

/// A row without its texts.
#[derive(Clone, Copy)]
struct Packed {
    received_at: i64,
    seq: i64,
    rest: Rest,
}

/// What is left of a row once its number and its time are written; aligned like the row, so that it can take its place.
#[derive(Clone, Copy)]
#[repr(align(8))]
struct Rest {
    token: u32,
    username: u32,
    query: u32,
    origin: u32,
}

/// What many rows have in common.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Origin {
    /// An index of `clients`.
    client: u32,
    source: Source,
    branch_level: u32,
    canary: bool,
    /// The few rows that have one have an origin each.
    query_raw: Option<Box<[u8]>>,
}

/// Rows on their way into a file.
#[derive(Default)]
pub(super) struct Group {
    rows: Vec<Packed>,
    usernames: Texts,
    queries: Texts,
    clients: Vec<(Arc<str>, Arc<str>)>,
    origins: Vec<Origin>,
    origin_numbers: HashMap<Origin, u32>,
    text_bytes: usize,
}

impl Group {
    pub(super) fn push(&mut self, row: &Row) {
        if self.rows.capacity() == 0 {
            // The whole piece at once: growing would hold it twice. What is not used takes no memory.
            self.rows.reserve_exact(ROWS);
        }
        let origin = self.origin(row);
        let (username, new) = self.usernames.number(row.username.as_bytes());
        self.count(new, row.username.len());
        let (query, new) = self.queries.number(row.query.as_bytes());
        self.count(new, row.query.len());
        self.rows.push(Packed {
            received_at: row.received_at,
            seq: row.seq,
            rest: Rest {
                token: row.token,
                username,
                query,
                origin,
            },
        });
    }

    fn count(&mut self, new: bool, length: usize) {
        if new {
            self.text_bytes += length + TEXT_COST;
        }
    }

    fn origin(&mut self, row: &Row) -> u32 {
        let (client, spool) = (&row.client_id, &row.spool);
        let known = self
            .clients
            .iter()
            .position(|known| (&known.0, &known.1) == (client, spool));
        let client = known.unwrap_or_else(|| {
            self.clients.push((Arc::clone(client), Arc::clone(spool)));
            self.clients.len() - 1
        });
        let origin = Origin {
            client: small(client),
            source: row.source,
            branch_level: row.branch_level,
            canary: row.canary,
            query_raw: row
                .query_raw
                .as_deref()
                .filter(|raw| !raw.is_empty())
                .map(Box::from),
        };
        if let Some(&number) = self.origin_numbers.get(&origin) {
            return number;
        }
        // Kept twice: as a key and by number.
        let raw = origin.query_raw.as_ref().map_or(0, |raw| raw.len());
        self.text_bytes += 2 * (raw + size_of::<Origin>()) + TEXT_COST;
        let number = small(self.origins.len());
        self.origins.push(origin.clone());
        self.origin_numbers.insert(origin, number);
        number
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= ROWS || self.text_bytes >= TEXT_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Users by how often they search, in steps of two, and then by their first search; the rows of a user by region and
    /// number. Each user is in one place, so the name costs once. Those who come back with the same wishes all day are
    /// together, and so are those who came once at about the same time: the times and numbers next to each other are
    /// alike.
    fn sort(&mut self) {
        let mut counts = vec![0_u32; self.usernames.len()];
        for row in &self.rows {
            counts[row.rest.username as usize] += 1;
        }
        let origins = &self.origins;
        self.rows.sort_unstable_by_key(|Packed { rest, seq, .. }| {
            let often = counts[rest.username as usize].ilog2();
            let client = origins[rest.origin as usize].client;
            (Reverse(often), rest.username, client, *seq)
        });
    }

    /// Sorts and writes everything, in the order of the schema.
    pub(super) fn write<W: Write + Send>(
        mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<()> {
        self.sort();
        let Self {
            rows,
            usernames,
            queries,
            clients,
            origins,
            origin_numbers,
            text_bytes: _,
        } = self;
        drop(origin_numbers);
        let (usernames, queries) = (usernames.freeze(), queries.freeze());
        let clients: Vec<_> = clients
            .iter()
            .map(|(name, spool)| (text(name), text(spool)))
            .collect();
        let client = |row: &Packed| &clients[origins[row.rest.origin as usize].client as usize];
        column::<ByteArrayType, W>(group, rows.iter().map(|row| client(row).0.clone()))?;
        column::<ByteArrayType, W>(group, rows.iter().map(|row| client(row).1.clone()))?;
        column::<Int64Type, W>(group, rows.iter().map(|row| row.seq))?;
        column::<Int64Type, W>(group, rows.iter().map(|row| row.received_at))?;

        // The dictionaries of the texts need the most memory: half of each row makes room for them.
        let mut rows: Vec<_> = rows.into_iter().map(|row| row.rest).collect();
        rows.shrink_to_fit();
        let origin = |row: &Rest| &origins[row.origin as usize];
        let source = [
            Source::Parent,
            Source::Embedded,
            Source::Server,
            Source::Direct,
        ]
        .map(|source| text(source.as_str()));
        let source = |row: &Rest| source[origin(row).source as usize].clone();
        let of = |texts: &Frozen, number| ByteArray::from(texts.text(number));
        column::<ByteArrayType, W>(group, rows.iter().map(|row| of(&usernames, row.username)))?;
        drop(usernames);
        column::<ByteArrayType, W>(group, rows.iter().map(|row| of(&queries, row.query)))?;
        drop(queries);
        column::<Int32Type, W>(group, rows.iter().map(|row| row.token.cast_signed()))?;
        column::<ByteArrayType, W>(group, rows.iter().map(source))?;
        let level = |row: &Rest| origin(row).branch_level.cast_signed();
        column::<Int32Type, W>(group, rows.iter().map(level))?;
        column::<BoolType, W>(group, rows.iter().map(|row| origin(row).canary))?;
        let raw = |row: &Rest| origin(row).query_raw.as_deref().map(ByteArray::from);
        optional_column(group, rows.iter().map(raw))
    }
}

fn text(text: &str) -> ByteArray {
    ByteArray::from(text.as_bytes())
}

/// Writes the next column.
fn column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = T::T>,
) -> Result<()> {
    let mut column = group.next_column()?.ok_or_else(no_column)?;
    let mut values = values.fuse();
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        batch.extend(values.by_ref().take(BATCH));
        if batch.is_empty() {
            return column.close();
        }
        column.typed::<T>().write_batch(&batch, None, None)?;
        batch.clear();
    }
}

/// Writes the next column, where not every row has a value.
fn optional_column<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = Option<ByteArray>>,
) -> Result<()> {
    let mut column = group.next_column()?.ok_or_else(no_column)?;
    let mut values = values.fuse();
    loop {
        let batch: Vec<_> = values.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return column.close();
        }
        let there: Vec<_> = batch
            .iter()
            .map(|value| i16::from(value.is_some()))
            .collect();
        let batch: Vec<_> = batch.into_iter().flatten().collect();
        column
            .typed::<ByteArrayType>()
            .write_batch(&batch, Some(&there), None)?;
    }
}

fn no_column() -> ParquetError {
    ParquetError::General("the schema has fewer columns than the rows".into())
}
