//! The spool's side: what has not been shipped yet, and forgetting what has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use super::batch::{Batch, Cursor, Event, Search};
use crate::StoreError;
use crate::database::DATABASE_FILE;

/// A batch is full at this size, however few records it has.
const FULL: usize = 8 << 20;
/// The journal is short: a few lines an hour.
const EVENTS: i64 = 1000;

/// A client of the spool.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Client {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) last_seq: i64,
}

/// The spool as the shipper sees it.
#[derive(Debug)]
pub(super) struct Outbox {
    path: PathBuf,
    reader: SqliteConnection,
    /// Forgets. Beside the spool's own writer it is the only one that writes; each waits for the other.
    eraser: SqliteConnection,
}

impl Outbox {
    /// Opens the spool of `dir`, which is open for writing by this process.
    pub(super) async fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(DATABASE_FILE);
        let failed = |source| StoreError::of_database(&path, source);
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            .disable_statement_logging();
        let reader = options
            .clone()
            .read_only(true)
            .connect()
            .await
            .map_err(failed)?;
        // A power cut that brings back what was forgotten does no harm.
        let eraser = options.synchronous(SqliteSynchronous::Normal);
        let eraser = eraser.connect().await.map_err(failed)?;
        Ok(Self {
            path,
            reader,
            eraser,
        })
    }

    /// The name of the spool itself.
    pub(super) async fn id(&mut self) -> Result<String, StoreError> {
        sqlx::query_scalar("SELECT id FROM spool")
            .fetch_one(&mut self.reader)
            .await
            .map_err(|source| StoreError::of_database(&self.path, source))
    }

    /// Everyone who writes into it.
    pub(super) async fn clients(&mut self) -> Result<Vec<Client>, StoreError> {
        sqlx::query_as("SELECT id, name, last_seq FROM client ORDER BY id")
            .fetch_all(&mut self.reader)
            .await
            .map_err(|source| StoreError::of_database(&self.path, source))
    }

    /// Records that were not forgotten. Their ids have no gaps.
    pub(super) async fn held(&mut self) -> Result<u64, StoreError> {
        let held: i64 = sqlx::query_scalar(
            "SELECT coalesce((SELECT max(id) FROM search) - (SELECT min(id) FROM search) + 1, 0)",
        )
        .fetch_one(&mut self.reader)
        .await
        .map_err(|source| StoreError::of_database(&self.path, source))?;
        Ok(held.unsigned_abs())
    }

    /// The number and the time of a client's first record from this number on, among those that were not forgotten.
    pub(super) async fn first_from(
        &mut self,
        client: i64,
        seq: i64,
    ) -> Result<Option<(i64, i64)>, StoreError> {
        sqlx::query_as(
            "SELECT seq, received_at FROM search WHERE client = ? AND seq >= ? ORDER BY id LIMIT 1",
        )
        .bind(client)
        .bind(seq)
        .fetch_optional(&mut self.reader)
        .await
        .map_err(|source| StoreError::of_database(&self.path, source))
    }

    /// What comes after the given ids, at most so many records. A client without a cursor ends it: it is new.
    pub(super) async fn read(
        &mut self,
        after: (i64, i64),
        records: i64,
        cursors: &BTreeMap<i64, Cursor>,
    ) -> Result<Batch, StoreError> {
        let failed = |source| StoreError::of_database(&self.path, source);
        let mut batch = Batch::new(after.0, after.1);
        let events = sqlx::query_as::<_, Event>(
            "SELECT id, client, at, kind, detail FROM event WHERE id > ? ORDER BY id LIMIT ?",
        )
        .bind(after.1)
        .bind(EVENTS)
        .fetch_all(&mut self.reader)
        .await
        .map_err(failed)?;
        for event in &events {
            let Some(cursor) = cursors.get(&event.client) else {
                break;
            };
            batch.add_event(event, *cursor);
        }
        let mut searches = sqlx::query_as::<_, Search>(
            "SELECT id, client, seq, received_at, username, query, query_raw, token, source, branch_level \
             FROM search WHERE id > ? ORDER BY id LIMIT ?",
        )
        .bind(after.0)
        .bind(records)
        .fetch(&mut self.reader);
        while let Some(search) = searches.try_next().await.map_err(failed)? {
            let Some(cursor) = cursors.get(&search.client) else {
                break;
            };
            batch.add_search(&search, *cursor);
            if batch.bytes() >= FULL {
                break;
            }
        }
        Ok(batch.finish())
    }

    /// Forgets everything up to the given ids.
    pub(super) async fn forget(&mut self, through: (i64, i64)) -> Result<(), StoreError> {
        let erase = async |eraser: &mut SqliteConnection| {
            let mut transaction = eraser.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::query("DELETE FROM search WHERE id <= ?")
                .bind(through.0)
                .execute(&mut *transaction)
                .await?;
            sqlx::query("DELETE FROM event WHERE id <= ?")
                .bind(through.1)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await
        };
        erase(&mut self.eraser)
            .await
            .map_err(|source| StoreError::of_database(&self.path, source))
    }
}
