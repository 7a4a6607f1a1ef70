//! Reading records: what travels in binary COPY becomes rows.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use sqlx::AssertSqlSafe;
use tokio::sync::mpsc;

use super::{LONG, PostgresHot};
use crate::Row;
use crate::archive::{ArchiveError, Month, Span};
use crate::hot::{Heap, Wanted};
use crate::postgres::copy::{Decoder, Fields, dated};
use crate::postgres::packed::Origin;

/// Between two pieces of a long answer.
pub(super) const PAUSE: Duration = Duration::from_mins(2);

/// Between two pieces the session waits for whoever takes them, which is not idleness.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0";

impl PostgresHot {
    pub(crate) async fn read(
        &mut self,
        wanted: &Wanted,
        rows: &mpsc::Sender<Vec<Row>>,
    ) -> Result<Vec<Span>, ArchiveError> {
        self.command(SNAPSHOT).await?;
        let clients = self.clients_of_snapshot().await?;
        let reached = self.copy(wanted, &clients, rows).await?;
        self.command("COMMIT").await?;
        if !wanted.only.is_empty() {
            return Ok(wanted.only.clone());
        }
        let span = |(id, client): (&i32, &Client)| {
            let after = client.through(&wanted.without);
            Span {
                client_id: client.name.to_string(),
                spool: client.spool.to_string(),
                after,
                // A table that was taken away ends where it was taken: what came since is in another.
                through: match wanted.detached {
                    Some(_) => reached.get(id).map_or(after, |&seq| seq.max(after)),
                    None => client.last_seq,
                },
            }
        };
        Ok(clients.iter().map(span).collect())
    }

    /// Gives the highest number of each client.
    async fn copy(
        &mut self,
        wanted: &Wanted,
        clients: &HashMap<i32, Client>,
        rows: &mpsc::Sender<Vec<Row>>,
    ) -> Result<HashMap<i32, i64>, ArchiveError> {
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
        let mut reached = HashMap::new();
        while let Some(bytes) = database.answer_within(PAUSE, stream.try_next()).await? {
            decoder.push(&bytes);
            while let Some(fields) = decoder.next_row().map_err(ArchiveError::Unreadable)? {
                let (client, row) = row(&fields, clients)?;
                let highest = reached.entry(client).or_insert(row.seq);
                *highest = row.seq.max(*highest);
                heap.push(row).await?;
            }
        }
        decoder.finish().map_err(ArchiveError::Unreadable)?;
        heap.hand_over().await?;
        Ok(reached)
    }

    /// Files and what came after them are all that the month's table may hold.
    pub(crate) async fn must_be_archived(
        &mut self,
        month: Month,
        covered: Vec<Span>,
        archived: i64,
    ) -> Result<(), ArchiveError> {
        let wanted = Wanted {
            without: covered,
            ..Wanted::all_of(month)
        };
        self.command(SNAPSHOT).await?;
        let clients = self.clients_of_snapshot().await?;
        let sql = format!(
            "SELECT count(*) FILTER (WHERE NOT {}) FROM soulseek.search WHERE {}",
            numbered(&wanted, &clients),
            between(&wanted.micros)
        );
        let counted = sqlx::query_scalar(AssertSqlSafe(sql))
            .persistent(false)
            .fetch_one(&mut self.connection);
        let found: i64 = self.database.answer_within(LONG, counted).await?;
        self.command("COMMIT").await?;
        if found == archived {
            return Ok(());
        }
        Err(ArchiveError::Differs {
            month,
            found,
            archived,
        })
    }

    pub(crate) async fn reached(&mut self) -> Result<Vec<Span>, ArchiveError> {
        let span = |client: Client| Span {
            client_id: client.name.to_string(),
            spool: client.spool.to_string(),
            after: 0,
            through: client.last_seq,
        };
        Ok(self.clients().await?.into_values().map(span).collect())
    }

    pub(super) async fn clients(&mut self) -> Result<HashMap<i32, Client>, ArchiveError> {
        self.command("BEGIN").await?;
        let clients = self.clients_of_snapshot().await?;
        self.command("COMMIT").await?;
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

impl Client {
    /// How far these cover its records.
    fn through(&self, spans: &[Span]) -> i64 {
        let of_it = |span: &&Span| span.is_of(&self.name, &self.spool);
        spans.iter().find(of_it).map_or(0, |span| span.through)
    }
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
    format!(
        "soulseek.{table} WHERE {} AND {}",
        between(&wanted.micros),
        numbered(wanted, clients)
    )
}

/// The condition for the numbers. What lies beyond a client's cursor was brought by no collector, and belongs to nobody.
fn numbered(wanted: &Wanted, clients: &HashMap<i32, Client>) -> String {
    let mut after = " WHEN 0 THEN 0".to_owned();
    let mut through = after.clone();
    for (id, client) in clients {
        let mut last = client.last_seq;
        if !wanted.only.is_empty() {
            last = last.min(client.through(&wanted.only));
        }
        let _ = write!(after, " WHEN {id} THEN {}", client.through(&wanted.without));
        let _ = write!(through, " WHEN {id} THEN {last}");
    }
    format!("(seq > CASE client{after} ELSE 0 END AND seq <= CASE client{through} ELSE 0 END)")
}

/// And the client's number.
fn row(fields: &Fields<'_>, clients: &HashMap<i32, Client>) -> Result<(i32, Row), ArchiveError> {
    let read = || -> Result<(i32, Row), &'static str> {
        let id = fields.i32(3)?;
        let client = clients.get(&id).ok_or("a client is not known")?;
        let origin = Origin::unpack(fields.i16(4)?);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let row = Row {
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
        };
        Ok((id, row))
    };
    read().map_err(ArchiveError::Unreadable)
}
