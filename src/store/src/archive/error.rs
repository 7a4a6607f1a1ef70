//! What can go wrong with archives, and what a person does then.

use crate::StoreError;
use crate::postgres::PostgresError;

use super::Month;

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
    /// What the database sent is not what it should be.
    #[error("the records cannot be read: {0}")]
    Unreadable(&'static str),
    /// Whoever took the records has stopped; it says why itself.
    #[error("the archive could not be written to the end")]
    Stopped,
}
