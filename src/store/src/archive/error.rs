//! What can go wrong with archives, and what a person does then.

use crate::StoreError;
use crate::postgres::PostgresError;

use super::{DestinationError, FileError, Month};

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
    /// Somebody else may archive now.
    #[error("the connection that keeps other archivers out is gone: {source}")]
    LockLost {
        /// What became of it.
        source: PostgresError,
    },
    /// A file that this store did not write.
    #[error("{file} is there already, and not of this store")]
    Taken {
        /// Where it is.
        file: String,
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
    /// There is nothing to bring back, or to read.
    #[error("no file of {month} is noted as verified")]
    NotArchived {
        /// The month.
        month: Month,
    },
    /// There are no files.
    #[error("there are no archive files of {month} in {place}")]
    NoFiles {
        /// The month.
        month: Month,
        /// Where they should be.
        place: String,
    },
    /// Records would be there twice.
    #[error("records of {month} that are in its files are live already")]
    AlreadyLive {
        /// The month.
        month: Month,
    },
    /// Files are noted, so that they need not be searched for.
    #[error("the files of {month} are known here")]
    Known {
        /// The month.
        month: Month,
    },
    /// An archiver was interrupted.
    #[error("the month {month} is half deleted: its records are in {table}")]
    HalfDeleted {
        /// The month.
        month: Month,
        /// The table.
        table: String,
    },
    /// A spool numbers its records itself.
    #[error("files that a spool does not know cannot be brought into it")]
    NotIntoASpool,
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
    /// A file could not be written or read, or is damaged.
    #[error(transparent)]
    Format(#[from] FileError),
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
                "nothing was deleted; if it stays, somebody wrote or deleted records by hand: docs/archive.md says how to \
                 find them"
            }
            Self::LockLost { .. } => {
                "run it once more; where a pooler ends idle transactions, give the archiver a way around it"
            }
            Self::Taken { .. } => {
                "give each study a destination of its own; where the database was put back to an older state, archive to \
                 another place and keep the file: it knows records that the database does not"
            }
            Self::NotArchived { .. } | Self::NoFiles { .. } => {
                "`fleetctl archive ls` shows what there is"
            }
            Self::AlreadyLive { .. } => {
                "nothing was changed; `fleetctl archive ls` shows where the records are"
            }
            Self::Known { .. } => "leave --from out",
            Self::HalfDeleted { month, .. } => {
                return Some(format!(
                    "finish that first: fleetctl archive run --month {month} --destination ..."
                ));
            }
            Self::NotIntoASpool => {
                "read them with `fleetctl archive export`, or bring them into PostgreSQL"
            }
            Self::File { .. } => {
                "nothing was changed: keep the file for a look; while its records are live, archive the month again, \
                 else put the file back from a copy"
            }
            Self::Format(error) => return error.hint(),
            Self::Unreadable(_) | Self::Stopped => "run it once more: it goes on where it was",
        };
        Some(hint.to_owned())
    }

    /// Whether other months can be archived all the same.
    pub(crate) fn is_about_the_month(&self) -> bool {
        self.is_about_the_file()
            || matches!(
                self,
                Self::Differs { .. }
                    | Self::Taken { .. }
                    | Self::Unreadable(_)
                    | Self::Format(_)
                    | Self::Postgres(PostgresError::Locked { .. } | PostgresError::Other { .. })
            )
    }

    /// Whether a file is the trouble, so that writing it again helps.
    pub fn is_about_the_file(&self) -> bool {
        match self {
            Self::File { .. }
            | Self::Format(FileError::Damaged { .. } | FileError::NotAnArchive { .. }) => true,
            Self::Destination(error) => error.is_not_found(),
            _ => false,
        }
    }
}
