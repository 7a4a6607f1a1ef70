//! The two forms of archive files.
//!
//! [`FileWriter`] writes rows in the order in which they arrived and sums up what it wrote; [`read_parquet`] and
//! [`read_csv_gz`] give them back. Both need as much memory for a year as for a day.

mod csv_gz;
mod digest;
mod error;
mod group;
mod group_reader;
mod hashing;
mod kind;
mod pages;
mod parquet_reader;
mod parquet_writer;
mod schema;
mod tally;
#[cfg(test)]
mod tests;
mod texts;
mod writer;

pub use csv_gz::{CsvGzWriter, CsvRows, read_csv_gz};
pub use digest::RowDigest;
pub use error::FileError;
pub use hashing::{FileFacts, Hashing};
pub use kind::{FileFormat, ParseFileFormatError};
pub use parquet_reader::{ParquetRows, read_parquet};
pub use parquet_writer::ParquetWriter;
pub(crate) use schema::COLUMNS;
pub use tally::{ClientSummary, Summary};
pub use writer::FileWriter;
