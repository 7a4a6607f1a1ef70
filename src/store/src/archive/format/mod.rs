//! Months of searches as files: Parquet or CSV, each with a manifest.
//!
//! [`FileWriter`] writes rows in the order in which they arrived and sums up what it wrote; [`read_parquet`] and
//! [`read_csv_gz`] give them back; [`Manifest`] says what is in a file, and [`verify`] whether it still is.
//! All of them need as much memory for a year as for a day.

mod csv_gz;
mod digest;
mod error;
mod format;
mod group;
mod hashing;
mod manifest;
mod pages;
mod parquet_reader;
mod parquet_writer;
mod schema;
mod tally;
#[cfg(test)]
mod tests;
mod texts;
mod verify;
mod writer;

pub use csv_gz::{CsvGzWriter, CsvRows, read_csv_gz};
pub use digest::RowDigest;
pub use error::FileError;
pub use format::{FileFormat, ParseFileFormatError};
pub use hashing::{FileFacts, Hashing};
pub use manifest::{About, Covered, Manifest, ManifestClient, ManifestColumn, ManifestError};
pub use parquet_reader::{ParquetRows, read_parquet};
pub use parquet_writer::ParquetWriter;
pub use tally::{ClientSummary, Summary};
pub use verify::{VerifyError, verify};
pub use writer::{FileWriter, Rows, read_file};
