//! What can go wrong with the store, and what a person does then.

use std::io;
use std::path::{Path, PathBuf};

use sqlx::migrate::MigrateError;

/// The spool was closed; what is appended now would be kept nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the spool is closed")]
pub struct SpoolClosed;

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process writes to the same directory.
    #[error("{} is in use by another collector{}", path.display(), holder(*pid))]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, if it left its number.
        pid: Option<u32>,
    },
    /// A newer version of this program wrote the file.
    #[error("{} was written by a newer version of this program (schema {found}, known up to {known})", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// A schema version in the file that this program does not know.
        found: i64,
        /// The newest schema version that this program knows.
        known: i64,
    },
    /// There is nothing to read.
    #[error("there is no store at {}", path.display())]
    Missing {
        /// The database that was expected.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a store of this program", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error("{} is damaged", path.display())]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What the database says.
        source: sqlx::Error,
    },
    /// No room on the file system.
    #[error("no room left to write {}", path.display())]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// The file or its directory must not be used; also reading needs the directory, for the index of the log.
    #[error("no permission to use {}: read-only, or it belongs to somebody else", path.display())]
    ReadOnly {
        /// The database or its directory.
        path: PathBuf,
    },
    /// Another program holds a lock of the database.
    #[error("{} is locked by another program", path.display())]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// Somebody else changed what only this process writes.
    #[error("{} was changed by another program while collecting", path.display())]
    Changed {
        /// The database.
        path: PathBuf,
    },
    /// Any other failure of the database.
    #[error("the database {} failed", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What the database says.
        source: sqlx::Error,
    },
    /// The tables could not be brought to this version.
    #[error("the tables of {} could not be brought to this version", path.display())]
    Migrate {
        /// The database.
        path: PathBuf,
        /// What the migration says.
        source: MigrateError,
    },
    /// A file operation failed.
    #[error("failed to {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The spool was closed while it could not write.
    #[error("{waiting} records could not be written before the end: {reason}")]
    Undrained {
        /// How many accepted records and events are lost.
        waiting: u64,
        /// Why they could not be written.
        reason: String,
    },
    /// The spool is closed.
    #[error("the spool is closed")]
    Closed,
    /// The SQL of the user is wrong, or would write.
    #[error("the query failed")]
    Query(#[source] sqlx::Error),
    /// The SQL of the user gives no table.
    #[error("the query must be one statement that returns rows")]
    NotAQuery,
    /// The output of an export could not be written.
    #[error("failed to write the export")]
    Write(#[source] io::Error),
    /// The output of a Parquet export could not be written.
    #[error("failed to write the Parquet export")]
    Parquet(#[source] parquet::errors::ParquetError),
}

/// An error and what caused it, in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Some layers repeat the one below.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})"))
        .unwrap_or_default()
}

impl StoreError {
    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Locked { .. } => {
                "stop the other collector, or give this one its own --data-dir".into()
            }
            Self::Newer { .. } => {
                "use the newer version of this program, or another --data-dir".into()
            }
            Self::Missing { path } => {
                let dir = path.parent().unwrap_or(path);
                format!("run fleetctl up FILE --data-dir {} first", dir.display())
            }
            Self::NotAStore { .. } => {
                "name the directory that `fleetctl up --data-dir` wrote to".into()
            }
            Self::Corrupt { path, .. } => format!(
                "move {0} and {0}-wal aside and start again; `sqlite3 {0} .recover` saves what can be read",
                path.display()
            ),
            Self::Full { path } => {
                format!(
                    "free some space on the file system of {}",
                    path.parent().unwrap_or(path).display()
                )
            }
            Self::ReadOnly { path } => format!(
                "check the owner, the permissions and the mount of {}",
                path.parent().unwrap_or(path).display()
            ),
            Self::Busy { .. } => {
                "close the other program that has the file open for writing".into()
            }
            Self::Changed { .. } => {
                "stop the other program, put the file back, or restart the collector".into()
            }
            Self::Database { .. } | Self::Migrate { .. } | Self::Io { .. } => {
                "check the disk, its free space and the permissions".into()
            }
            Self::Undrained { .. } => "make room or repair the disk, then start again".into(),
            Self::NotAQuery => {
                "for example: SELECT query, count(*) FROM searches GROUP BY query".into()
            }
            Self::Query(source) if primary_code(source) == Some(SQLITE_READONLY) => {
                "the store can only be read here".into()
            }
            Self::Closed | Self::Query(_) | Self::Write(_) | Self::Parquet(_) => return None,
        };
        Some(hint)
    }

    /// One line with the causes and the hint, for a status or a log.
    pub(crate) fn in_full(&self) -> String {
        let text = with_causes(self);
        match self.hint() {
            Some(hint) => format!("{text}; {hint}"),
            None => text,
        }
    }

    /// Sorts a failure of the database at `path` into the kinds that people treat differently.
    pub(crate) fn of_database(path: &Path, source: sqlx::Error) -> Self {
        let path = path.to_owned();
        match primary_code(&source) {
            Some(SQLITE_FULL) => Self::Full { path },
            Some(SQLITE_READONLY | SQLITE_CANTOPEN | SQLITE_PERM) => Self::ReadOnly { path },
            Some(SQLITE_BUSY) => Self::Busy { path },
            Some(SQLITE_CORRUPT) => Self::Corrupt { path, source },
            Some(SQLITE_NOTADB) => Self::NotAStore { path },
            _ => Self::Database { path, source },
        }
    }
}

// Primary result codes, https://www.sqlite.org/rescode.html
const SQLITE_PERM: i32 = 3;
const SQLITE_BUSY: i32 = 5;
const SQLITE_READONLY: i32 = 8;
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_FULL: i32 = 13;
const SQLITE_CANTOPEN: i32 = 14;
const SQLITE_NOTADB: i32 = 26;

/// The low byte of the extended result code that sqlx gives as text.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}
