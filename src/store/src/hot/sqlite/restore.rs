//! Bringing records back, in small steps between those of a collector.
//!
//! They get new ids, since the old ones must not come back. That they were counted when they came, and where they are
//! now, moves in the transaction that brings them.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _, QueryBuilder, Sqlite};
use tokio::time::{Instant, sleep};

use super::{SqliteHot, count};
use crate::Row;
use crate::archive::{ArchiveError, Month, Part, Span};
use crate::hot::{Heaps, Wanted, in_spans};

/// Rows of one transaction.
const ROWS: usize = 5_000;
/// Rows of one statement: ten values each, of the 32 766 that there may be.
const STATEMENT: usize = 500;

/// The numbers of the clients, by name.
type Clients = HashMap<Arc<str>, i64>;

impl SqliteHot {
    /// Puts the rows of some files back. What ends early is taken away again, now or when it is done once more.
    pub(crate) async fn restore(
        &mut self,
        month: Month,
        parts: &[Part],
        rows: Heaps,
    ) -> Result<i64, ArchiveError> {
        self.forget_restored(month, parts).await?;
        let restored = self.bring_back(rows).await;
        if restored.is_err() {
            // Says the same as what went wrong first, or nothing new.
            let _ = self.forget_restored(month, parts).await;
        }
        let records = restored?;
        let ids: Vec<String> = parts.iter().map(|part| part.id.to_string()).collect();
        self.rows(format!(
            "UPDATE archives SET deleted = 0, deleted_at = NULL, restored_at = strftime('%Y-%m-%dT%H:%M:%SZ') \
             WHERE id IN ({})",
            ids.join(", ")
        ))
        .await?;
        Ok(records)
    }

    /// Takes away what an interrupted restore of the month left.
    pub(crate) async fn tidy(&mut self, month: Month) -> Result<(), ArchiveError> {
        let mut parts = self.parts(Some(month)).await?;
        parts.retain(|part| part.deleted);
        self.forget_restored(month, &parts).await
    }

    /// Deletes records that these files cover although they are noted as deleted: what an interrupted restore left.
    async fn forget_restored(&mut self, month: Month, parts: &[Part]) -> Result<(), ArchiveError> {
        if parts.is_empty() {
            return Ok(());
        }
        let (_, clients) = self.clients().await?;
        let number = |span: &Span| {
            let same = |(_, client): &(&i64, &super::rows::Client)| *client.name == *span.client_id;
            clients.iter().find(same).map(|(id, _)| *id)
        };
        self.count_new().await?;
        let wanted = Wanted::all_of(month);
        let ids = self.ids(&wanted).await?;
        let covered = in_spans(parts, number);
        self.delete_between(&ids, |ids| {
            format!(
                "{} AND {covered}",
                super::rows::within(&wanted, ids, &HashMap::new())
            )
        })
        .await?;
        Ok(())
    }

    async fn bring_back(&mut self, mut heaps: Heaps) -> Result<i64, ArchiveError> {
        let spool: String = self.scalar("SELECT id FROM spool".to_owned()).await?;
        let (_, clients) = self.clients().await?;
        let numbers: Clients = clients
            .into_iter()
            .map(|(id, client)| (client.name, id))
            .collect();
        let mut restored = 0;
        while let Some(heap) = heaps.recv().await {
            let heap = heap?;
            let ours = |row: &Row| *row.spool == *spool && numbers.contains_key(&row.client_id);
            if !heap.iter().all(ours) {
                return Err(ArchiveError::Unreadable("they are those of another spool"));
            }
            for rows in heap.chunks(ROWS) {
                let began = Instant::now();
                let inserted = insert(&mut self.connection, rows, &numbers).await;
                inserted.map_err(|source| self.error(source))?;
                restored += rows.len();
                // A collector that is writing finds the file free half of the time.
                sleep(began.elapsed()).await;
            }
        }
        Ok(i64::try_from(restored).unwrap_or(i64::MAX))
    }
}

/// One transaction: what came before these rows is counted, they are not.
async fn insert(
    connection: &mut SqliteConnection,
    rows: &[Row],
    clients: &Clients,
) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let (through, last): (i64, i64) = sqlx::query_as(
        "SELECT through, max(through, coalesce((SELECT max(id) FROM search), 0)) FROM counted",
    )
    .fetch_one(&mut *transaction)
    .await?;
    sqlx::query(AssertSqlSafe(count("count(*)", through, last)))
        .execute(&mut *transaction)
        .await?;
    for rows in rows.chunks(STATEMENT) {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO search (client, seq, received_at, username, query, query_raw, token, source, branch_level) ",
        );
        insert.push_values(rows, |mut values, row| {
            values
                .push_bind(clients.get(&row.client_id))
                .push_bind(row.seq)
                .push_bind(row.received_at)
                .push_bind(row.username.as_str())
                .push_bind(row.query.as_str())
                .push_bind(row.query_raw.as_deref())
                .push_bind(row.token)
                .push_bind(row.origin())
                .push_bind(row.branch_level);
        });
        insert.build().execute(&mut *transaction).await?;
    }
    let new: i64 = sqlx::query_scalar("SELECT max(id) FROM search")
        .fetch_one(&mut *transaction)
        .await?;
    sqlx::query(AssertSqlSafe(count("0", last, new)))
        .execute(&mut *transaction)
        .await?;
    sqlx::query("UPDATE counted SET through = ?")
        .bind(new)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}
