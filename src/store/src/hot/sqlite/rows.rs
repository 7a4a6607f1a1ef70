//! Reading records.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::sync::Arc;

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Connection as _, Row as _};
use tokio::sync::mpsc;

use super::SqliteHot;
use crate::archive::{ArchiveError, Span};
use crate::hot::{Heap, Wanted};
use crate::row::MICROS_A_DAY;
use crate::{Row, Source};

/// Rows that are read in one go: a long read would keep the write-ahead log from being emptied.
const PAGE: i64 = 512;

/// A client as the spool has it.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) name: Arc<str>,
    last_seq: i64,
}

impl SqliteHot {
    /// Ids only grow, so what is there up to the last of them stays what it is: no snapshot is held.
    pub(crate) async fn read(
        &mut self,
        wanted: &Wanted,
        rows: &mpsc::Sender<Vec<Row>>,
    ) -> Result<Vec<Span>, ArchiveError> {
        let spool: String = self.scalar("SELECT id FROM spool".to_owned()).await?;
        let (last, clients) = self.clients().await?;
        // All that these cursors cover must be counted, for the counts say where it is: not the other way round.
        self.count_new().await?;
        let ids = self.ids(wanted).await?;
        let spool: Arc<str> = spool.into();
        let mut from = *ids.start();
        let end = last.min(*ids.end());
        let mut heap = Heap::new(rows);
        while from <= end {
            let to = end.min(from + PAGE - 1);
            let sql = format!(
                "SELECT client, seq, received_at, username, query, query_raw, token, source, branch_level \
                 FROM search WHERE {} ORDER BY id",
                within(wanted, &(from..=to), &clients)
            );
            for record in &self.rows(sql).await? {
                let row = row(record, &spool, &clients).map_err(|source| self.error(source))?;
                heap.push(row).await?;
            }
            from = to + 1;
        }
        heap.hand_over().await?;
        if !wanted.only.is_empty() {
            return Ok(wanted.only.clone());
        }
        let span = |client: &Client| Span {
            client_id: client.name.to_string(),
            spool: spool.to_string(),
            after: through(&wanted.without, &client.name),
            through: client.last_seq,
        };
        Ok(clients.values().map(span).collect())
    }

    pub(crate) async fn reached(&mut self) -> Result<Vec<Span>, ArchiveError> {
        let spool: String = self.scalar("SELECT id FROM spool".to_owned()).await?;
        let (_, clients) = self.clients().await?;
        let span = |client: Client| Span {
            client_id: client.name.to_string(),
            spool: spool.clone(),
            after: 0,
            through: client.last_seq,
        };
        Ok(clients.into_values().map(span).collect())
    }

    /// Between which ids the records of this time are.
    pub(super) async fn ids(
        &mut self,
        wanted: &Wanted,
    ) -> Result<RangeInclusive<i64>, ArchiveError> {
        let sql = format!(
            "SELECT coalesce(min(first_id), 1), coalesce(max(last_id), 0) FROM day_count WHERE day >= {} AND day < {}",
            wanted.micros.start.div_euclid(MICROS_A_DAY),
            (wanted.micros.end - 1).div_euclid(MICROS_A_DAY) + 1,
        );
        let rows = self.rows(sql).await?;
        let bound = |index| rows.first().map_or(Ok(0), |row| row.try_get(index));
        let bounds = || Ok(bound(0)?..=bound(1)?);
        bounds().map_err(|source| self.error(source))
    }

    /// The last id, and everyone who writes, as of one moment.
    pub(super) async fn clients(&mut self) -> Result<(i64, HashMap<i64, Client>), ArchiveError> {
        let read = async |connection: &mut SqliteConnection| {
            let mut transaction = connection.begin().await?;
            let last = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM search")
                .fetch_one(&mut *transaction)
                .await?;
            let clients: Vec<(i64, String, i64)> =
                sqlx::query_as("SELECT id, name, last_seq FROM client")
                    .fetch_all(&mut *transaction)
                    .await?;
            transaction.commit().await?;
            Ok((last, clients))
        };
        let (last, clients) = read(&mut self.connection)
            .await
            .map_err(|source| self.error(source))?;
        let client = |(id, name, last_seq): (i64, String, i64)| {
            let client = Client {
                name: name.into(),
                last_seq,
            };
            (id, client)
        };
        Ok((last, clients.into_iter().map(client).collect()))
    }
}

fn through(spans: &[Span], client_id: &str) -> i64 {
    let same = |span: &&Span| span.client_id == client_id;
    spans.iter().find(same).map_or(0, |span| span.through)
}

pub(super) fn cases(spans: &[Span], clients: &HashMap<i64, Client>) -> String {
    clients
        .iter()
        .fold(" WHEN 0 THEN 0".to_owned(), |mut sql, (id, client)| {
            let _ = write!(sql, " WHEN {id} THEN {}", through(spans, &client.name));
            sql
        })
}

pub(super) fn within(
    wanted: &Wanted,
    ids: &RangeInclusive<i64>,
    clients: &HashMap<i64, Client>,
) -> String {
    let mut sql = format!(
        "id BETWEEN {} AND {} AND received_at >= {} AND received_at < {} AND seq > CASE client{} ELSE 0 END",
        ids.start(),
        ids.end(),
        wanted.micros.start,
        wanted.micros.end,
        cases(&wanted.without, clients)
    );
    if !wanted.only.is_empty() {
        let _ = write!(
            sql,
            " AND seq <= CASE client{} ELSE 0 END",
            cases(&wanted.only, clients)
        );
    }
    sql
}

fn row(
    record: &SqliteRow,
    spool: &Arc<str>,
    clients: &HashMap<i64, Client>,
) -> Result<Row, sqlx::Error> {
    let client: i64 = record.try_get(0)?;
    let client = clients.get(&client).ok_or(sqlx::Error::RowNotFound)?;
    let source: i64 = record.try_get(7)?;
    let number = |index| -> Result<u32, sqlx::Error> {
        let number: i64 = record.try_get(index)?;
        Ok(u32::try_from(number).unwrap_or(u32::MAX))
    };
    Ok(Row {
        client_id: Arc::clone(&client.name),
        spool: Arc::clone(spool),
        seq: record.try_get(1)?,
        received_at: record.try_get(2)?,
        username: record.try_get(3)?,
        query: record.try_get(4)?,
        query_raw: record.try_get(5)?,
        token: number(6)?,
        source: Source::of_code(source),
        branch_level: number(8)?,
        canary: source & 4 != 0,
    })
}
