//! What can go wrong with an archive file, and what a person does then.

use std::io;

use parquet::errors::ParquetError;

/// What can go wrong with an archive file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The bytes could not be read.
    #[error("failed to read {file}")]
    Read {
        /// The file.
        file: String,
        /// What the system or the bucket says.
        source: io::Error,
    },
    /// The bytes are not what was written.
    #[error("{file} is damaged at {place}: {reason}")]
    Damaged {
        /// The file.
        file: String,
        /// For example `row group 2, column query` or `line 17`.
        place: String,
        /// What does not fit.
        reason: String,
    },
    /// A file of another kind.
    #[error("{file} is not an archive of searches: {reason}")]
    NotAnArchive {
        /// The file.
        file: String,
        /// What is missing.
        reason: String,
    },
    /// The bytes could not be written.
    #[error("failed to write the archive")]
    Write(#[source] io::Error),
    /// The rows could not be put into the form of the file.
    #[error("failed to encode the archive")]
    Encode(#[source] ParquetError),
}

impl FileError {
    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Read { .. } => "check the disk, the permissions or the connection, and try again",
            Self::Damaged { .. } => {
                "compare its SHA-256 with the manifest beside it, and bring back a good copy"
            }
            Self::NotAnArchive { .. } => {
                "name a file that `fleetd archive` wrote, as parquet or csv.gz"
            }
            Self::Write(_) => "check the free space, the permissions or the connection",
            Self::Encode(_) => return None,
        };
        Some(hint.into())
    }

    /// A failure of the library that writes Parquet, which passes the system's failures on inside its own.
    pub(super) fn writing(error: ParquetError) -> Self {
        match error {
            ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(error) => Self::Write(*error),
                Err(inner) => Self::Encode(ParquetError::External(inner)),
            },
            other => Self::Encode(other),
        }
    }

    /// A failure of what bytes are fetched through.
    pub(super) fn reading(file: &str, error: ParquetError) -> Self {
        let source = match error {
            ParquetError::External(inner) => inner
                .downcast::<io::Error>()
                .map_or_else(io::Error::other, |error| *error),
            other => io::Error::other(other),
        };
        Self::Read {
            file: file.to_owned(),
            source,
        }
    }
}
