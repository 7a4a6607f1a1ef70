//! The two kinds of files.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an archive file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileFormat {
    /// Apache Parquet with zstd: a tenth of the size in the database, and `DuckDB` and pandas read it as a table.
    #[default]
    #[serde(rename = "parquet")]
    Parquet,
    /// A table with a header (RFC 4180), compressed with gzip: anything reads it.
    #[serde(rename = "csv.gz")]
    CsvGz,
}

impl FileFormat {
    /// What file names end in, without the first dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::CsvGz => "csv.gz",
        }
    }

    /// By the name of a file.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let ends = |format: &Self| name.ends_with(&format!(".{format}"));
        [Self::Parquet, Self::CsvGz].into_iter().find(ends)
    }
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.extension())
    }
}

/// The format is not one of parquet, csv.gz.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the format of an archive must be parquet or csv.gz, not {0:?}")]
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
