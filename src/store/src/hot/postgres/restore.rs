//! Bringing records back, in one transaction: all of them are there, or none.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sqlx::AssertSqlSafe;

use super::rows::{PAUSE, between};
use super::{LONG, PostgresHot};
use crate::Row;
use crate::archive::{ArchiveError, Month, Part, Span};
use crate::hot::{Heaps, in_spans};
use crate::postgres::copy::Rows;
use crate::postgres::record::{COLUMNS, PackedRecord};
use crate::ship::day_of;

/// Whose records come back.
#[derive(Debug, Clone, Copy)]
struct Client {
    id: i32,
    /// How far it has come in the database.
    last_seq: i64,
}

/// By name and spool.
type Clients = HashMap<(Arc<str>, Arc<str>), Client>;

/// Records a client and day.
type Days = BTreeMap<(i32, i32), i64>;

impl PostgresHot {
    /// Puts the rows of some files back. With `adopt` the database has never heard of the files: who recorded, how far
    /// they had come and how much there is of each day is noted, too.
    pub(crate) async fn restore(
        &mut self,
        month: Month,
        parts: &[Part],
        adopt: bool,
        rows: Heaps,
    ) -> Result<i64, ArchiveError> {
        self.execute(format!("SELECT soulseek.add_month('{month}-01')"))
            .await?;
        self.command("BEGIN").await?;
        match self.bring_back(month, parts, adopt, rows).await {
            Ok(records) => {
                self.command("COMMIT").await?;
                Ok(records)
            }
            Err(error) => {
                // In doubt the end of the connection does it.
                let _ = self.command("ROLLBACK").await;
                Err(error)
            }
        }
    }

    /// Within the transaction that is open.
    async fn bring_back(
        &mut self,
        month: Month,
        parts: &[Part],
        adopt: bool,
        rows: Heaps,
    ) -> Result<i64, ArchiveError> {
        let clients = if adopt {
            self.register(parts).await?
        } else {
            self.known_clients().await?
        };
        self.note(month, parts, adopt).await?;
        self.must_not_be_live(month, parts, &clients).await?;
        let (records, days) = self.copy_back(&clients, rows).await?;
        if adopt {
            self.adopt(parts, &clients, &days).await?;
        }
        self.holds_lock().await?;
        Ok(records)
    }

    async fn known_clients(&mut self) -> Result<Clients, ArchiveError> {
        let clients = self.clients_of_snapshot().await?;
        let client = |(id, client): (i32, super::rows::Client)| {
            let last_seq = client.last_seq;
            ((client.name, client.spool), Client { id, last_seq })
        };
        Ok(clients.into_iter().map(client).collect())
    }

    async fn register(&mut self, parts: &[Part]) -> Result<Clients, ArchiveError> {
        let mut clients = Clients::new();
        for span in parts.iter().flat_map(|part| &part.spans) {
            let registered =
                sqlx::query_as("SELECT client, last_seq FROM soulseek.register_client($1, $2)")
                    .bind(&span.client_id)
                    .bind(&span.spool)
                    .persistent(false)
                    .fetch_one(&mut self.connection);
            let (id, last_seq) = self.database.answer(registered).await?;
            clients.insert(key(span), Client { id, last_seq });
        }
        Ok(clients)
    }

    /// Notes that the records are live. This also keeps everybody else away from these notes until the end.
    async fn note(
        &mut self,
        month: Month,
        parts: &[Part],
        adopt: bool,
    ) -> Result<(), ArchiveError> {
        let mut noted = 0;
        for part in parts {
            let query = if adopt {
                let spans = serde_json::to_string(&part.spans).unwrap_or_default();
                sqlx::query(
                    "INSERT INTO soulseek.archives (month, part, state, file_path, record_count, file_size, sha256, digest, \
                     cursors, archived_at, restored_at) VALUES ($1, $2, 'verified', $3, $4, $5, $6, $7, $8::jsonb, now(), now()) \
                     ON CONFLICT DO NOTHING",
                )
                .bind(&part.month)
                .bind(part.part)
                .bind(&part.file_path)
                .bind(part.record_count)
                .bind(part.file_size)
                .bind(&part.sha256)
                .bind(&part.digest)
                .bind(spans)
            } else {
                sqlx::query(
                    "UPDATE soulseek.archives SET deleted = false, deleted_at = NULL, restored_at = now() \
                     WHERE id = $1 AND deleted",
                )
                .bind(part.id)
            };
            let done = query.persistent(false).execute(&mut self.connection);
            noted += self.database.answer(done).await?.rows_affected();
        }
        if noted == parts.len() as u64 {
            Ok(())
        } else {
            Err(ArchiveError::AlreadyLive { month })
        }
    }

    async fn must_not_be_live(
        &mut self,
        month: Month,
        parts: &[Part],
        clients: &Clients,
    ) -> Result<(), ArchiveError> {
        let number = |span: &Span| clients.get(&key(span)).map(|client| client.id.into());
        let sql = format!(
            "SELECT EXISTS (SELECT FROM soulseek.search WHERE {} AND {})",
            between(&month.micros()),
            in_spans(parts, number)
        );
        let found = sqlx::query_scalar(AssertSqlSafe(sql))
            .persistent(false)
            .fetch_one(&mut self.connection);
        if self.database.answer_within(LONG, found).await? {
            return Err(ArchiveError::AlreadyLive { month });
        }
        Ok(())
    }

    async fn copy_back(
        &mut self,
        clients: &Clients,
        mut heaps: Heaps,
    ) -> Result<(i64, Days), ArchiveError> {
        let database = self.database.clone();
        let sql = format!("COPY soulseek.search ({COLUMNS}) FROM STDIN (FORMAT binary)");
        let mut copy = database.answer(self.connection.copy_in_raw(&sql)).await?;
        let mut packed = Rows::new();
        let mut days = Days::new();
        let mut sent = 0;
        while let Some(heap) = heaps.recv().await {
            let heap = match heap.and_then(|heap| pack(&mut packed, &heap, clients, &mut days)) {
                Ok(records) => records,
                Err(error) => {
                    let _ = database.answer(copy.abort("a file is not right")).await;
                    return Err(error);
                }
            };
            sent += heap;
            database
                .answer_within(PAUSE, copy.send(packed.take()))
                .await?;
        }
        database
            .answer_within(PAUSE, copy.send(packed.finish()))
            .await?;
        let came = database.answer_within(LONG, copy.finish()).await?;
        if came != sent {
            return Err(ArchiveError::Unreadable("the database has taken fewer"));
        }
        Ok((i64::try_from(sent).unwrap_or(i64::MAX), days))
    }

    /// Raises the cursors, so that nobody brings these records again, and counts them.
    async fn adopt(
        &mut self,
        parts: &[Part],
        clients: &Clients,
        days: &Days,
    ) -> Result<(), ArchiveError> {
        for span in crate::archive::covered(parts) {
            let Some(client) = clients.get(&key(&span)) else {
                continue;
            };
            let of_client = days.iter().filter(|((id, _), _)| *id == client.id);
            let (days, counts): (Vec<i32>, Vec<i64>) =
                of_client.map(|((_, day), count)| (*day, *count)).unzip();
            let adopted = sqlx::query("SELECT soulseek.adopt($1, $2, $3, $4, $5)")
                .bind(client.id)
                .bind(client.last_seq)
                .bind(span.through)
                .bind(days)
                .bind(counts)
                .persistent(false)
                .execute(&mut self.connection);
            self.database.answer(adopted).await?;
        }
        Ok(())
    }
}

/// Adds rows; gives how many.
fn pack(
    packed: &mut Rows,
    heap: &[Row],
    clients: &Clients,
    days: &mut Days,
) -> Result<u64, ArchiveError> {
    for row in heap {
        let client = clients
            .get(&(Arc::clone(&row.client_id), Arc::clone(&row.spool)))
            .ok_or(ArchiveError::Unreadable("a file has a client of its own"))?;
        let day = day_of(row.received_at);
        *days.entry((client.id, day)).or_default() += 1;
        let record = PackedRecord {
            seq: row.seq,
            received_at: row.received_at,
            token: row.token,
            source: row.origin(),
            branch_level: row.branch_level.into(),
            username: &row.username,
            query: &row.query,
            query_raw: row.query_raw.as_deref(),
        };
        record.write(packed, client.id);
    }
    Ok(heap.len() as u64)
}

fn key(span: &Span) -> (Arc<str>, Arc<str>) {
    (span.client_id.as_str().into(), span.spool.as_str().into())
}
