//! The forms of archive files.

mod csv;
mod digest;
mod parquet;
mod summary;

use std::io::Write;
use std::ops::Range;
use std::str::FromStr;

use ::parquet::file::reader::ChunkReader;

use crate::Row;

pub(crate) use csv::CsvGzWriter;
pub(crate) use digest::Digest;
pub(crate) use parquet::{ParquetWriter, read_parquet};
pub(crate) use summary::Summary;

/// What is wrong with a file, or why it could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum FormatError {
    /// The file's content.
    #[error("it is damaged or no archive: {0}")]
    Damaged(String),
    /// The bytes could not be moved.
    #[error("it could not be written or read")]
    Io(#[from] std::io::Error),
}

/// The form of an archive file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileFormat {
    /// Apache Parquet with zstd.
    #[default]
    Parquet,
    /// A table with a header, RFC 4180, gzip.
    CsvGz,
}

/// The form of an archive is not one of parquet, csv.gz.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the format must be parquet or csv.gz, not {0:?}")]
pub struct ParseFileFormatError(String);

impl FromStr for FileFormat {
    type Err = ParseFileFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "parquet" => Ok(Self::Parquet),
            "csv.gz" => Ok(Self::CsvGz),
            _ => Err(ParseFileFormatError(text.to_owned())),
        }
    }
}

impl FileFormat {
    /// The end of the file's name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::CsvGz => "csv.gz",
        }
    }

    /// By the name of a file.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        [Self::Parquet, Self::CsvGz]
            .into_iter()
            .find(|format| name.ends_with(&format!(".{}", format.extension())))
    }
}

/// Writes rows in either form.
pub(crate) enum Writer<W: Write + Send> {
    Parquet(Box<ParquetWriter<W>>),
    CsvGz(Box<CsvGzWriter<W>>),
}

impl<W: Write + Send> Writer<W> {
    pub(crate) fn new(format: FileFormat, output: W) -> Result<Self, FormatError> {
        Ok(match format {
            FileFormat::Parquet => Self::Parquet(Box::new(ParquetWriter::new(output)?)),
            FileFormat::CsvGz => Self::CsvGz(Box::new(CsvGzWriter::new(output)?)),
        })
    }

    pub(crate) fn push(&mut self, row: Row) -> Result<(), FormatError> {
        match self {
            Self::Parquet(writer) => writer.push(row),
            Self::CsvGz(writer) => writer.push(&row),
        }
    }

    pub(crate) fn finish(self) -> Result<Summary, FormatError> {
        match self {
            Self::Parquet(writer) => writer.finish(),
            Self::CsvGz(writer) => writer.finish(),
        }
    }
}

/// Reads the rows of a file, those of the given time where one is given.
pub(crate) fn read<R: ChunkReader + 'static>(
    format: FileFormat,
    file: R,
    micros: Option<Range<i64>>,
) -> Result<Box<dyn Iterator<Item = Result<Row, FormatError>>>, FormatError> {
    match format {
        FileFormat::Parquet => Ok(Box::new(read_parquet(file, micros)?)),
        FileFormat::CsvGz => Ok(Box::new(csv::read_csv(file, micros)?)),
    }
}
