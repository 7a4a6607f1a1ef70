//! Either format by one name.

use std::fs::File;
use std::io::{BufReader, Write};
use std::ops::Range;
use std::path::Path;

use super::{
    CsvGzWriter, CsvRows, FileError, FileFormat, ParquetRows, ParquetWriter, Summary, read_csv_gz,
    read_parquet,
};
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

/// The rows of a file of either format.
#[derive(Debug)]
pub enum Rows {
    /// Apache Parquet.
    Parquet(Box<ParquetRows<File>>),
    /// CSV and gzip.
    CsvGz(Box<CsvRows<BufReader<File>>>),
}

impl Iterator for Rows {
    type Item = Result<Row, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Parquet(rows) => rows.next(),
            Self::CsvGz(rows) => rows.next(),
        }
    }
}

/// The rows of a file on the disk, those received within `range` (microseconds) where one is given.
pub fn read_file(
    path: &Path,
    format: FileFormat,
    range: Option<Range<i64>>,
) -> Result<Rows, FileError> {
    let name = path.display().to_string();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(source) => return Err(FileError::Read { file: name, source }),
    };
    Ok(match format {
        FileFormat::Parquet => Rows::Parquet(Box::new(read_parquet(name, file, range)?)),
        FileFormat::CsvGz => Rows::CsvGz(Box::new(read_csv_gz(name, BufReader::new(file), range)?)),
    })
}
