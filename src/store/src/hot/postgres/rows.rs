//! Reading records: what travels in binary COPY becomes rows.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use sqlx::Executor as _;
use tokio::sync::mpsc;

use super::PostgresHot;
use crate::Row;
use crate::archive::{ArchiveError, Span};
use crate::hot::{Heap, Wanted};
use crate::postgres::copy::{Decoder, Fields, dated};
use crate::postgres::packed::Origin;

/// Between two pieces of a long answer.
pub(super) const PAUSE: Duration = Duration::from_mins(2);

impl PostgresHot {
    pub(crate) async fn read(
        &mut self,
        wanted: &Wanted,
        rows: &mpsc::Sender<Vec<Row>>,
    ) -> Result<Vec<Span>, ArchiveError> {
        let begun = self
            .connection
            .execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        self.database.answer(begun).await?;
        let clients = self.clients_of_snapshot().await?;
        self.copy(wanted, &clients, rows).await?;
        self.database
            .answer(self.connection.execute("COMMIT"))
            .await?;
        let covered = |name: &str, spool: &str| {
            let same = |span: &&Span| span.client_id == name && span.spool == spool;
            wanted
                .without
                .iter()
                .find(same)
                .map_or(0, |span| span.through)
        };
        let span = |client: &Client| Span {
            after: covered(&client.name, &client.spool),
            client_id: client.name.to_string(),
            spool: client.spool.to_string(),
            through: client.last_seq,
        };
        Ok(clients.values().map(span).collect())
    }

    async fn copy(
        &mut self,
        wanted: &Wanted,
        clients: &HashMap<i32, Client>,
        rows: &mpsc::Sender<Vec<Row>>,
    ) -> Result<(), ArchiveError> {
        let sql = format!(
            "COPY (SELECT seq, received_at, token, client, origin, username, query, query_raw FROM {}) \
             TO STDOUT (FORMAT binary)",
            from(wanted, clients)
        );
        let database = self.database.clone();
        let mut stream = database
            .answer_within(PAUSE, self.connection.copy_out_raw(&sql))
            .await?;
        let mut decoder = Decoder::default();
        let mut heap = Heap::new(rows);
        while let Some(bytes) = database.answer_within(PAUSE, stream.try_next()).await? {
            decoder.push(&bytes);
            while let Some(fields) = decoder.next_row().map_err(ArchiveError::Unreadable)? {
                heap.push(row(&fields, clients)?).await?;
            }
        }
        decoder.finish().map_err(ArchiveError::Unreadable)?;
        heap.hand_over().await
    }

    pub(super) async fn clients(&mut self) -> Result<HashMap<i32, Client>, ArchiveError> {
        self.database
            .answer(self.connection.execute("BEGIN"))
            .await?;
        let clients = self.clients_of_snapshot().await?;
        self.database
            .answer(self.connection.execute("COMMIT"))
            .await?;
        Ok(clients)
    }

    /// Within the transaction that is open.
    pub(super) async fn clients_of_snapshot(
        &mut self,
    ) -> Result<HashMap<i32, Client>, ArchiveError> {
        let sql = "SELECT id, name, spool, last_seq FROM soulseek.client JOIN soulseek.ingest_cursor ON client = id";
        let rows = sqlx::query_as(sql)
            .persistent(false)
            .fetch_all(&mut self.connection);
        let rows: Vec<(i32, String, String, i64)> = self.database.answer(rows).await?;
        let client = |(id, name, spool, last_seq): (i32, String, String, i64)| {
            let client = Client {
                name: name.into(),
                spool: spool.into(),
                last_seq,
            };
            (id, client)
        };
        Ok(rows.into_iter().map(client).collect())
    }
}

/// A client as the database has it.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) name: Arc<str>,
    pub(super) spool: Arc<str>,
    pub(super) last_seq: i64,
}

/// With constants, so that only the partitions that matter are looked at.
pub(super) fn between(micros: &Range<i64>) -> String {
    let time = |micros: i64| match jiff::Timestamp::from_microsecond(micros) {
        Ok(moment) if dated(micros) == micros => format!("'{moment}'::timestamptz"),
        _ if micros < 0 => "'-infinity'::timestamptz".to_owned(),
        _ => "'infinity'::timestamptz".to_owned(),
    };
    format!(
        "received_at >= {} AND received_at < {}",
        time(micros.start),
        time(micros.end)
    )
}

/// The table and the condition.
pub(super) fn from(wanted: &Wanted, clients: &HashMap<i32, Client>) -> String {
    let table = wanted.detached.as_deref().unwrap_or("search");
    let mut sql = format!("soulseek.{table} WHERE {}", between(&wanted.micros));
    let mut cases = String::new();
    for (id, client) in clients {
        let same = |span: &&Span| {
            *span.client_id == *client.name && *span.spool == *client.spool && span.through > 0
        };
        if let Some(span) = wanted.without.iter().find(same) {
            let _ = write!(cases, " WHEN {id} THEN {}", span.through);
        }
    }
    if !cases.is_empty() {
        let _ = write!(sql, " AND seq > CASE client{cases} ELSE 0 END");
    }
    sql
}

fn row(fields: &Fields<'_>, clients: &HashMap<i32, Client>) -> Result<Row, ArchiveError> {
    let read = || -> Result<Row, &'static str> {
        let client = clients
            .get(&fields.i32(3)?)
            .ok_or("a client is not known")?;
        let origin = Origin::unpack(fields.i16(4)?);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Row {
            client_id: Arc::clone(&client.name),
            spool: Arc::clone(&client.spool),
            seq: fields.i64(0)?,
            received_at: fields.time(1)?,
            username: origin.username(fields.bytes(5)?),
            query: text(fields.bytes(6)?),
            query_raw: fields.get(7).map(<[u8]>::to_vec),
            token: fields.i32(2)?.cast_unsigned(),
            source: origin.source,
            branch_level: origin.branch_level,
            canary: origin.canary,
        })
    };
    read().map_err(ArchiveError::Unreadable)
}
