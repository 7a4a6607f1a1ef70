//! What can go wrong with archives, and what a person does then.

use std::io;

use crate::StoreError;
use crate::postgres::PostgresError;

use super::{DestinationError, Month};

/// What can go wrong with archives.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The spool.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// Somebody else archives.
    #[error("another archiver is at work in {place}")]
    Busy {
        /// The database, or the lock file.
        place: String,
    },
    /// The month goes on.
    #[error("the month {month} is not over")]
    NotOver {
        /// The month.
        month: Month,
    },
    /// More records than files hold.
    #[error(
        "there are {found} records of {month} to delete, but its verified files hold {archived}"
    )]
    Differs {
        /// The month.
        month: Month,
        /// Records in the live table.
        found: i64,
        /// Records in files.
        archived: i64,
    },
    /// The place for files.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// A file is not what it should be.
    #[error("{file}: {reason}")]
    File {
        /// Where it is.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// A file could not be written or read.
    #[error("{file} could not be written or read")]
    Io {
        /// Where it is.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// What the database sent is not what it should be.
    #[error("the records cannot be read: {0}")]
    Unreadable(&'static str),
    /// Whoever took the records has stopped; it says why itself.
    #[error("the archive could not be written to the end")]
    Stopped,
}

impl ArchiveError {
    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Store(error) => return error.hint(),
            Self::Postgres(error) => return error.hint(),
            Self::Destination(error) => return error.hint(),
            Self::Busy { .. } => "wait until it has ended, or end it",
            Self::NotOver { .. } => {
                "wait until it is over; `fleetctl export` writes what is there so far"
            }
            Self::Differs { .. } => {
                "nothing was deleted; run it once more, and report it if it stays"
            }
            Self::File { .. } => {
                "nothing was deleted: keep the file for a look, and archive the month again while its records are live"
            }
            Self::Io { .. } => {
                "check the place for the files, then run it once more: it goes on where it was"
            }
            Self::Unreadable(_) | Self::Stopped => "run it once more: it goes on where it was",
        };
        Some(hint.to_owned())
    }

    /// Whether a file is the trouble, so that writing it again helps.
    pub(crate) fn is_about_the_file(&self) -> bool {
        match self {
            Self::File { .. } => true,
            Self::Destination(DestinationError::NotFound { .. }) => true,
            _ => false,
        }
    }
}
