//! The `SQLite` file: how it is opened, locked and brought to the tables of this version.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Executor as _};

use crate::StoreError;

/// The database in the data directory.
pub const DATABASE_FILE: &str = "soulseek.db";
/// The file whose lock says that a collector writes here.
pub const LOCK_FILE: &str = "soulseek.lock";

static MIGRATOR: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// The database of a collector, opened for writing.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    #[cfg(test)]
    pub(crate) faults: crate::tests::Faults,
}

impl Database {
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            path: dir.join(DATABASE_FILE),
            #[cfg(test)]
            faults: crate::tests::Faults::default(),
        }
    }

    #[cfg(test)]
    pub(crate) fn with_faults(self, faults: crate::tests::Faults) -> Self {
        Self { faults, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file if there is none and brings its tables to this version.
    pub(crate) async fn create(&self) -> Result<SqliteConnection, StoreError> {
        let mut connection = self.open(true).await?;
        migrate(&self.path, &mut connection).await?;
        Ok(connection)
    }

    /// Opens the file again after a failure. A file that is gone stays gone: its records are not ours to forget.
    pub(crate) async fn reopen(&self) -> Result<SqliteConnection, StoreError> {
        self.open(false).await
    }

    async fn open(&self, create: bool) -> Result<SqliteConnection, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            // With WAL only FULL syncs at every commit; NORMAL would lose acknowledged records in a power cut.
            .synchronous(SqliteSynchronous::Full)
            // Rows are only ever added at the end: 2 MiB hold every page that a commit touches.
            .pragma("cache_size", "-2048")
            .pragma("wal_autocheckpoint", "1000")
            .pragma("journal_size_limit", "8388608")
            .statement_cache_capacity(16)
            .disable_statement_logging();
        #[cfg(test)]
        let options = self.faults.limit_pages(options);
        options
            .connect()
            .await
            .map_err(|source| StoreError::of_database(&self.path, source))
    }

    /// Moves what is in the write-ahead log into the file, both synced.
    pub(crate) async fn checkpoint(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(), StoreError> {
        let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(connection)
            .await
            .map_err(|source| StoreError::of_database(&self.path, source))?;
        if busy == 0 {
            Ok(())
        } else {
            Err(StoreError::Busy {
                path: self.path.clone(),
            })
        }
    }
}

/// The newest version of the tables that this program knows.
pub(crate) fn known_version() -> i64 {
    MIGRATOR
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or_default()
}

async fn migrate(path: &Path, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    // Reading the header first tells a foreign or damaged file from a failed migration.
    connection
        .execute("PRAGMA schema_version")
        .await
        .map_err(|source| StoreError::of_database(path, source))?;
    MIGRATOR
        .run_direct(None, connection, false)
        .await
        .map_err(|source| match source {
            MigrateError::VersionMissing(found) => StoreError::Newer {
                path: path.to_owned(),
                found,
                known: known_version(),
            },
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
                StoreError::of_database(path, source)
            }
            source => StoreError::Migrate {
                path: path.to_owned(),
                source,
            },
        })
}

/// Makes the data directory, for its owner only, if there is none.
pub(crate) fn make_directory(dir: &Path) -> Result<(), StoreError> {
    if dir.is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| of_file("create the directory", dir, source))?;
    // A power cut must not take the new directory away; a file system that cannot sync one has no need to.
    if let Some(parent) = dir.parent() {
        let _ = File::open(parent).and_then(|parent| parent.sync_all());
    }
    Ok(())
}

/// Takes the lock of the directory; the file keeps it until it is dropped, or the process ends in whatever way.
pub(crate) fn lock(dir: &Path) -> Result<File, StoreError> {
    lock_file(dir, LOCK_FILE)
}

pub(crate) fn lock_file(dir: &Path, name: &str) -> Result<File, StoreError> {
    let path = dir.join(name);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|source| of_file("open the lock file", &path, source))?;
    match file.try_lock() {
        Ok(()) => {
            // Only for the message of whoever comes second, so a full disk does not matter.
            let _ = file
                .set_len(0)
                .and_then(|()| write!(file, "{}", std::process::id()));
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            Err(StoreError::Locked {
                path,
                pid: pid.parse().ok(),
            })
        }
        Err(TryLockError::Error(source)) => Err(of_file("lock", &path, source)),
    }
}

fn of_file(doing: &'static str, path: &Path, source: io::Error) -> StoreError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::ReadOnly { path }
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { path },
        _ => StoreError::Io {
            doing,
            path,
            source,
        },
    }
}
