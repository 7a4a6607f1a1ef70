//! The columns of an archive, and how Parquet writes each of them.
//!
//! Measured on the traffic of `fleet_sim::soulseek::traffic` (`cargo bench -p fleet-store --bench archive`).

use std::sync::Arc;

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, Type};

/// Name, Parquet type, meaning. The order is that of both file formats.
pub(crate) const COLUMNS: [(&str, &str, &str); 11] = [
    ("client_id", "string", "the region that recorded the search"),
    (
        "spool",
        "string",
        "the spool that numbered it: each that a region ever had has its own 32 hexadecimal digits",
    ),
    (
        "seq",
        "int64",
        "1, 2, 3, ... for each client_id and spool; the three name a record for ever",
    ),
    (
        "received_at",
        "timestamp, microseconds, UTC",
        "when the search was read from the socket, by the collector's clock",
    ),
    ("username", "string", "the pseudonym of who searched"),
    ("query", "string", "what was searched for"),
    (
        "token",
        "uint32",
        "the searcher's own number for the search",
    ),
    (
        "source",
        "string",
        "the way it came: parent, embedded, server or direct",
    ),
    (
        "branch_level",
        "uint32",
        "the collector's distance from the root of its branch of the network",
    ),
    (
        "canary",
        "boolean",
        "whether the fleet itself sent it, to measure what a branch hears",
    ),
    (
        "query_raw",
        "bytes, mostly absent",
        "the bytes as received, where query cannot hold them; hexadecimal in CSV",
    ),
];

const MESSAGE: &str = "
message search {
    required binary client_id (STRING);
    required binary spool (STRING);
    required int64 seq;
    required int64 received_at (TIMESTAMP(MICROS, true));
    required binary username (STRING);
    required binary query (STRING);
    required int32 token (INTEGER(32, false));
    required binary source (STRING);
    required int32 branch_level (INTEGER(32, false));
    required boolean canary;
    optional binary query_raw;
}";

/// The Parquet schema.
pub(super) fn schema() -> Result<Arc<Type>> {
    parse_message_type(MESSAGE).map(Arc::new)
}

/// A page is the unit of compression for integers and dictionary indices.
const PAGE_BYTES: usize = 256 << 10;
const PAGE_ROWS: usize = 128 << 10;
/// Never reached: a row group ends before its texts are so long.
const DICTIONARY_BYTES: usize = 512 << 20;

/// Encodings and compression of each column.
///
/// Numbers are split into streams of their first, second, ... bytes: next to each other, the high ones hardly change. Texts
/// go to a dictionary. The low bytes of times and numbers do not compress at any level; from 14 on, zstd finds the
/// repeats in the high ones (5 % of these columns). Queries are a third of the file: level 16 makes them 6 % smaller than
/// 9 does, and 19 only 1 % more for twice the time and memory.
pub(super) fn properties() -> Result<WriterProperties> {
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("research-fleet ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(zstd(9)?)
        .set_dictionary_enabled(true)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true);
    for (column, level) in [("seq", 14), ("received_at", 14), ("token", 15)] {
        properties = split(properties, column, level)?;
    }
    properties = properties
        .set_column_compression("query".into(), zstd(16)?)
        .set_column_dictionary_enabled("canary".into(), false)
        .set_column_dictionary_enabled("query_raw".into(), false);
    // Readers skip row groups by these.
    for column in ["client_id", "spool", "seq", "received_at"] {
        properties =
            properties.set_column_statistics_enabled(column.into(), EnabledStatistics::Chunk);
    }
    Ok(properties.build())
}

fn split(
    properties: WriterPropertiesBuilder,
    column: &str,
    level: i32,
) -> Result<WriterPropertiesBuilder> {
    let column = ColumnPath::from(column);
    Ok(properties
        .set_column_dictionary_enabled(column.clone(), false)
        .set_column_encoding(column.clone(), Encoding::BYTE_STREAM_SPLIT)
        .set_column_compression(column, zstd(level)?))
}

fn zstd(level: i32) -> Result<Compression> {
    ZstdLevel::try_new(level).map(Compression::ZSTD)
}
