//! Either format by one name.

use std::io::Write;

use super::{CsvGzWriter, FileError, FileFormat, ParquetWriter, Summary};
use crate::Row;

/// Writes rows to a file of either format.
#[derive(Debug)]
pub enum FileWriter<W: Write + Send> {
    /// Apache Parquet.
    Parquet(Box<ParquetWriter<W>>),
    /// CSV and gzip.
    CsvGz(Box<CsvGzWriter<W>>),
}

impl<W: Write + Send> FileWriter<W> {
    /// A file without rows. `output` need not be buffered.
    pub fn new(format: FileFormat, output: W) -> Result<Self, FileError> {
        Ok(match format {
            FileFormat::Parquet => Self::Parquet(Box::new(ParquetWriter::new(output)?)),
            FileFormat::CsvGz => Self::CsvGz(Box::new(CsvGzWriter::new(output)?)),
        })
    }

    /// Adds a row. For Parquet this takes seconds every two million rows.
    pub fn push(&mut self, row: &Row) -> Result<(), FileError> {
        match self {
            Self::Parquet(writer) => writer.push(row),
            Self::CsvGz(writer) => writer.push(row),
        }
    }

    /// Writes what is held back and the end of the file. The file is complete; to keep it is up to `output`.
    pub fn finish(self) -> Result<(Summary, W), FileError> {
        match self {
            Self::Parquet(writer) => writer.finish(),
            Self::CsvGz(writer) => writer.finish(),
        }
    }
}
