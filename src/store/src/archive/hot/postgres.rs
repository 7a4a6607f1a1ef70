//! The live tables in PostgreSQL: a partition a month.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};
use tokio::sync::mpsc;

use super::{Heap, Wanted};
use crate::Row;
use crate::archive::{ArchiveError, Month, Part, Span};
use crate::postgres::copy::{Decoder, Fields};
use crate::postgres::packed::Origin;
use crate::postgres::{Database, PostgresError};

/// For statements that go through a month.
const LONG: Duration = Duration::from_hours(4);
/// Between two pieces of a long answer.
const PAUSE: Duration = Duration::from_mins(2);

#[derive(Debug)]
pub(crate) struct PostgresHot {
    database: Database,
    connection: PgConnection,
    /// Holds a lock as long as its transaction is open.
    lock: Option<PgConnection>,
}

impl PostgresHot {
    pub(crate) async fn connect(database: &Database) -> Result<Self, ArchiveError> {
        Ok(Self {
            database: database.clone(),
            connection: database.connect().await?,
            lock: None,
        })
    }

    /// A transaction that stays open holds the lock, through a pooler too, and no snapshot.
    pub(crate) async fn lock(&mut self) -> Result<(), ArchiveError> {
        let mut connection = self.database.connect().await?;
        let locked = async {
            connection.execute("BEGIN").await?;
            sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(hashtext('soulseek.archive'))")
                .persistent(false)
                .fetch_one(&mut connection)
                .await
        };
        if self.database.answer(locked).await? {
            self.lock = Some(connection);
            Ok(())
        } else {
            Err(ArchiveError::Busy {
                place: self.database.address(),
            })
        }
    }

    pub(crate) async fn prepare(&mut self) -> Result<(), ArchiveError> {
        self.execute(
            "SELECT soulseek.add_month(((now() AT TIME ZONE 'UTC') + make_interval(months => n))::date) \
             FROM generate_series(0, 3) AS n"
                .to_owned(),
        )
        .await
    }

    pub(crate) async fn months(&mut self) -> Result<Vec<Month>, ArchiveError> {
        let tables: Vec<String> = self
            .column(
                "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
                 WHERE i.inhparent = 'soulseek.search'::regclass ORDER BY c.relname"
                    .to_owned(),
            )
            .await?;
        let name = |table: &String| table.strip_prefix("search_")?.replace('_', "-").parse().ok();
        let mut months = Vec::new();
        for month in tables.iter().filter_map(name) {
            if self.any(&Wanted::all_of(month)).await? {
                months.push(month);
            }
        }
        Ok(months)
    }

    pub(crate) async fn parts(&mut self, month: Option<Month>) -> Result<Vec<Part>, ArchiveError> {
        const TIME: &str = "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'";
        let which = month.map_or("true".to_owned(), |month| format!("month = '{month}'"));
        let sql = format!(
            "SELECT id, month, part, state, file_path, record_count, file_size, sha256, digest, cursors::text, \
             to_char(archived_at AT TIME ZONE 'UTC', {TIME}), deleted, to_char(restored_at AT TIME ZONE 'UTC', {TIME}) \
             FROM soulseek.archives WHERE {which} ORDER BY month, part"
        );
        let rows = self.rows(sql).await?;
        rows.iter()
            .map(|row| part(row).map_err(|source| self.database.error(source).into()))
            .collect()
    }

    pub(crate) async fn any(&mut self, wanted: &Wanted) -> Result<bool, ArchiveError> {
        let clients = self.clients().await?;
        let sql = format!("SELECT EXISTS (SELECT FROM {})", from(wanted, &clients));
        Ok(self.column::<bool>(sql).await? == [true])
    }

    pub(crate) async fn expected(&mut self, days: Range<i32>) -> Result<i64, ArchiveError> {
        let Range { start, end } = days;
        let sql = format!(
            "SELECT coalesce(sum(searches), 0)::bigint FROM soulseek.day_count \
             WHERE day >= DATE '1970-01-01' + {start} AND day < DATE '1970-01-01' + {end}"
        );
        let counted = self.column(sql).await?;
        Ok(counted.first().copied().unwrap_or_default())
    }

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
            wanted.without.iter().find(same).map_or(0, |span| span.through)
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

    pub(crate) async fn begin(
        &mut self,
        month: Month,
        part: i32,
        location: &str,
    ) -> Result<i64, ArchiveError> {
        let begun = async {
            let mut transaction = self.connection.begin().await?;
            let id = sqlx::query_scalar(
                "INSERT INTO soulseek.archives (month, part, file_path) VALUES ($1, $2, $3) \
                 ON CONFLICT (month, part) DO UPDATE SET state = 'writing', file_path = excluded.file_path, \
                 record_count = NULL, file_size = NULL, sha256 = NULL, digest = NULL, cursors = '[]', started_at = now(), \
                 archived_at = NULL RETURNING id",
            )
            .bind(month.to_string())
            .bind(part)
            .bind(location)
            .persistent(false)
            .fetch_one(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(id)
        };
        Ok(self.database.answer(begun).await?)
    }

    pub(crate) async fn written(&mut self, part: &Part) -> Result<(), ArchiveError> {
        let spans = serde_json::to_string(&part.spans).unwrap_or_default();
        let noted = async {
            let mut transaction = self.connection.begin().await?;
            sqlx::query(
                "UPDATE soulseek.archives SET state = 'written', record_count = $2, file_size = $3, sha256 = $4, \
                 digest = $5, cursors = $6::jsonb WHERE id = $1",
            )
            .bind(part.id)
            .bind(part.record_count)
            .bind(part.file_size)
            .bind(&part.sha256)
            .bind(&part.digest)
            .bind(spans)
            .persistent(false)
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await
        };
        Ok(self.database.answer(noted).await?)
    }

    pub(crate) async fn verified(&mut self, id: i64) -> Result<(), ArchiveError> {
        self.execute(format!(
            "UPDATE soulseek.archives SET state = 'verified', archived_at = now() WHERE id = {id}"
        ))
        .await
    }

    pub(crate) async fn detached(&mut self, month: Month) -> Result<Vec<String>, ArchiveError> {
        let name = month.to_string().replace('-', "\\_");
        self.column(format!(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'soulseek'::regnamespace AND relkind = 'r' \
             AND relname LIKE 'detached\\_{name}\\_%' ORDER BY relname"
        ))
        .await
    }

    /// Each try holds writers up for half a second at most, so that there may be many.
    pub(crate) async fn detach(&mut self, month: Month) -> Result<Option<String>, ArchiveError> {
        let tries = ExponentialBuilder::default()
            .with_min_delay(Duration::from_secs(1))
            .with_max_delay(Duration::from_secs(30))
            .with_max_times(20)
            .with_jitter();
        let database = self.database.clone();
        let connection = tokio::sync::Mutex::new(&mut self.connection);
        let detach = async || {
            let mut connection = connection.lock().await;
            let sql = format!("SELECT soulseek.detach_month('{month}')");
            database.answer(scalar(&mut connection, sql)).await
        };
        let name: String = detach
            .retry(tries)
            .when(|error| matches!(error, PostgresError::Locked { .. }))
            .notify(|error, wait| {
                tracing::info!(%month, wait_s = wait.as_secs_f32(), "the month is in use, trying again: {error}");
            })
            .await?;
        Ok(Some(name))
    }

    pub(crate) async fn drop_archived(
        &mut self,
        month: Month,
        detached: Option<&str>,
    ) -> Result<i64, ArchiveError> {
        let Some(table) = detached else {
            return Ok(0);
        };
        let sql = format!("SELECT soulseek.drop_detached('{month}', '{table}')");
        let dropped = scalar(&mut self.connection, sql);
        Ok(self.database.answer_within(LONG, dropped).await?)
    }

    async fn clients(&mut self) -> Result<HashMap<i32, Client>, ArchiveError> {
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
    async fn clients_of_snapshot(&mut self) -> Result<HashMap<i32, Client>, ArchiveError> {
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

    async fn execute(&mut self, sql: String) -> Result<(), ArchiveError> {
        self.rows(sql).await.map(|_| ())
    }

    /// The first column.
    async fn column<T>(&mut self, sql: String) -> Result<Vec<T>, ArchiveError>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let rows = self.rows(sql).await?;
        rows.iter()
            .map(|row| {
                row.try_get(0)
                    .map_err(|source| self.database.error(source).into())
            })
            .collect()
    }

    async fn rows(&mut self, sql: String) -> Result<Vec<PgRow>, ArchiveError> {
        let rows = async {
            let mut transaction = self.connection.begin().await?;
            let rows = sqlx::query(AssertSqlSafe(sql))
                .persistent(false)
                .fetch_all(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(rows)
        };
        Ok(self.database.answer_within(LONG, rows).await?)
    }
}

async fn scalar<T>(connection: &mut PgConnection, sql: String) -> Result<T, sqlx::Error>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    let mut transaction = connection.begin().await?;
    let value = sqlx::query_scalar(AssertSqlSafe(sql))
        .persistent(false)
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(value)
}

/// A client as the database has it.
#[derive(Debug)]
struct Client {
    name: Arc<str>,
    spool: Arc<str>,
    last_seq: i64,
}

/// With constants, so that only the partitions that matter are looked at.
fn between(micros: &Range<i64>) -> String {
    let time = |micros: i64| {
        let moment = jiff::Timestamp::from_microsecond(micros).unwrap_or_default();
        format!("'{moment}'::timestamptz")
    };
    format!(
        "received_at >= {} AND received_at < {}",
        time(micros.start),
        time(micros.end)
    )
}

/// The table and the condition.
fn from(wanted: &Wanted, clients: &HashMap<i32, Client>) -> String {
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

fn part(row: &PgRow) -> Result<Part, sqlx::Error> {
    let state: String = row.try_get(3)?;
    let spans: String = row.try_get(9)?;
    Ok(Part {
        id: row.try_get(0)?,
        month: row.try_get(1)?,
        part: row.try_get(2)?,
        state: state.parse().map_err(sqlx::Error::Protocol)?,
        file_path: row.try_get(4)?,
        record_count: row.try_get(5)?,
        file_size: row.try_get(6)?,
        sha256: row.try_get(7)?,
        digest: row.try_get(8)?,
        spans: serde_json::from_str(&spans).map_err(|error| sqlx::Error::Decode(error.into()))?,
        archived_at: row.try_get(10)?,
        deleted: row.try_get(11)?,
        restored_at: row.try_get(12)?,
    })
}

fn row(fields: &Fields<'_>, clients: &HashMap<i32, Client>) -> Result<Row, ArchiveError> {
    let read = || -> Result<Row, &'static str> {
        let client = clients.get(&fields.i32(3)?).ok_or("a client is not known")?;
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
