//! Whether a file holds what its manifest says.

use super::tally::Tally;
use super::{FileError, FileFacts, Manifest};
use crate::Row;

/// A file does not hold what its manifest says.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Too short or too long.
    #[error("{file} has {found} bytes, its manifest says {expected}")]
    Size {
        /// The file.
        file: String,
        /// By the manifest.
        expected: u64,
        /// In the file.
        found: u64,
    },
    /// Other bytes.
    #[error("{file} has the SHA-256 {found}, its manifest says {expected}")]
    Sha256 {
        /// The file.
        file: String,
        /// By the manifest.
        expected: String,
        /// Of the file.
        found: String,
    },
    /// Too few or too many rows.
    #[error("{file} holds {found} records, its manifest says {expected}")]
    Count {
        /// The file.
        file: String,
        /// By the manifest.
        expected: u64,
        /// In the file.
        found: u64,
    },
    /// Other rows.
    #[error("the records in {file} have the digest {found}, its manifest says {expected}")]
    Digest {
        /// The file.
        file: String,
        /// By the manifest.
        expected: String,
        /// Of the rows.
        found: String,
    },
}

impl VerifyError {
    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            _ => Some(
                "the file or its manifest was changed: bring back good copies of both, or archive \
                 the month again while the database has it"
                    .into(),
            ),
        }
    }
}

/// Compares a file with its manifest: first size and SHA-256, where these are given, then all rows.
pub fn verify(
    manifest: &Manifest,
    facts: Option<&FileFacts>,
    rows: impl IntoIterator<Item = Result<Row, FileError>>,
) -> Result<(), VerifyError> {
    let file = || manifest.file.clone();
    if let Some(FileFacts { size, sha256 }) = facts {
        if *size != manifest.file_size {
            return Err(VerifyError::Size {
                file: file(),
                expected: manifest.file_size,
                found: *size,
            });
        }
        if *sha256 != manifest.sha256 {
            return Err(VerifyError::Sha256 {
                file: file(),
                expected: manifest.sha256.clone(),
                found: sha256.clone(),
            });
        }
    }
    let mut tally = Tally::default();
    for row in rows {
        tally.add(&row?);
    }
    if tally.records != manifest.record_count {
        return Err(VerifyError::Count {
            file: file(),
            expected: manifest.record_count,
            found: tally.records,
        });
    }
    let digest = tally.digest.to_string();
    if digest != manifest.digest {
        return Err(VerifyError::Digest {
            file: file(),
            expected: manifest.digest.clone(),
            found: digest,
        });
    }
    Ok(())
}
