//! The live tables in a spool that is the database itself.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};
use tokio::sync::mpsc;

use super::{Heap, Wanted};
use crate::archive::{ArchiveError, Month, Part, PartState, Span, covered};
use crate::{Reader, Row, Source, StoreError};

/// The file whose lock says that an archiver is at work.
const LOCK_FILE: &str = "archive.lock";
/// Rows that are counted or deleted in one transaction: a collector that is writing waits for less than it can hold.
const STEP: i64 = 20_000;
/// Rows that are read in one go: a long read would keep the write-ahead log from being emptied.
const PAGE: i64 = 512;

#[derive(Debug)]
pub(crate) struct SqliteHot {
    path: PathBuf,
    connection: SqliteConnection,
    lock: Option<File>,
}

/// A client as the spool has it.
#[derive(Debug)]
struct Client {
    name: Arc<str>,
    last_seq: i64,
}

impl SqliteHot {
    /// Opens the spool of `dir`, beside the collector that may be writing to it.
    pub(crate) async fn open(dir: &Path) -> Result<Self, ArchiveError> {
        let path = Reader::open(dir).await?.path().to_owned();
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .busy_timeout(Duration::from_secs(30))
            .disable_statement_logging();
        let connection = options.connect().await;
        let connection = connection.map_err(|source| StoreError::of_database(&path, source))?;
        Ok(Self {
            path,
            connection,
            lock: None,
        })
    }

    pub(crate) async fn lock(&mut self) -> Result<(), ArchiveError> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        self.lock = match crate::database::lock_file(dir, LOCK_FILE) {
            Ok(lock) => Some(lock),
            Err(StoreError::Locked { path, .. }) => {
                return Err(ArchiveError::Busy {
                    place: path.display().to_string(),
                });
            }
            Err(error) => return Err(error.into()),
        };
        self.count_new().await
    }

    pub(crate) async fn prepare(&mut self) -> Result<(), ArchiveError> {
        self.count_new().await
    }

    /// Counts what came since the last time. Each record is counted once: the count and how far it goes move together.
    async fn count_new(&mut self) -> Result<(), ArchiveError> {
        let last: i64 = self
            .scalar("SELECT coalesce(max(id), 0) FROM search".to_owned())
            .await?;
        loop {
            let through: i64 = self.scalar("SELECT through FROM counted".to_owned()).await?;
            if through >= last {
                return Ok(());
            }
            let to = last.min(through + STEP);
            let step = async |connection: &mut SqliteConnection| {
                let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
                let sql = format!(
                    "INSERT INTO day_count (day, client, searches, first_id, last_id) \
                     SELECT (received_at - CASE WHEN received_at < 0 THEN 86399999999 ELSE 0 END) / 86400000000, client, \
                            count(*), min(id), max(id) \
                     FROM search WHERE id > {through} AND id <= {to} GROUP BY 1, 2 \
                     ON CONFLICT (day, client) DO UPDATE SET searches = searches + excluded.searches, \
                     first_id = min(first_id, excluded.first_id), last_id = max(last_id, excluded.last_id)"
                );
                sqlx::query(AssertSqlSafe(sql)).execute(&mut *transaction).await?;
                // Somebody else may have counted meanwhile.
                let moved = sqlx::query("UPDATE counted SET through = ? WHERE through = ?")
                    .bind(to)
                    .bind(through)
                    .execute(&mut *transaction)
                    .await?;
                if moved.rows_affected() == 1 {
                    transaction.commit().await
                } else {
                    transaction.rollback().await
                }
            };
            let stepped = step(&mut self.connection).await;
            stepped.map_err(|source| self.error(source))?;
        }
    }

    pub(crate) async fn months(&mut self) -> Result<Vec<Month>, ArchiveError> {
        let days = self.rows("SELECT DISTINCT day FROM day_count ORDER BY day".to_owned()).await?;
        let mut months: Vec<Month> = Vec::new();
        for day in days {
            let day: i64 = day.try_get(0).map_err(|source| self.error(source))?;
            let moment = jiff::Timestamp::from_second(day * 86_400).unwrap_or_default();
            let month = Month::of(moment);
            if months.last() != Some(&month) {
                months.push(month);
            }
        }
        let mut live = Vec::new();
        for month in months {
            if self.any(&Wanted::all_of(month)).await? {
                live.push(month);
            }
        }
        Ok(live)
    }

    pub(crate) async fn any(&mut self, wanted: &Wanted) -> Result<bool, ArchiveError> {
        let ids = self.ids(wanted).await?;
        let (_, clients) = self.clients().await?;
        let sql = format!("SELECT EXISTS (SELECT 1 FROM search WHERE {})", within(wanted, &ids, &clients));
        self.scalar(sql).await
    }

    pub(crate) async fn expected(&mut self, days: Range<i32>) -> Result<i64, ArchiveError> {
        let Range { start, end } = days;
        self.scalar(format!(
            "SELECT coalesce(sum(searches), 0) FROM day_count WHERE day >= {start} AND day < {end}"
        ))
        .await
    }

    pub(crate) async fn parts(&mut self, month: Option<Month>) -> Result<Vec<Part>, ArchiveError> {
        let which = month.map_or("1".to_owned(), |month| format!("month = '{month}'"));
        let sql = format!(
            "SELECT id, month, part, state, file_path, record_count, file_size, sha256, digest, cursors, archived_at, \
             deleted, restored_at FROM archives WHERE {which} ORDER BY month, part"
        );
        let rows = self.rows(sql).await?;
        rows.iter()
            .map(|row| part(row).map_err(|source| self.error(source)))
            .collect()
    }

    /// Ids only grow, so what is there up to the last of them stays what it is: no snapshot is held.
    pub(crate) async fn read(
        &mut self,
        wanted: &Wanted,
        rows: &mpsc::Sender<Vec<Row>>,
    ) -> Result<Vec<Span>, ArchiveError> {
        self.count_new().await?;
        let spool: String = self.scalar("SELECT id FROM spool".to_owned()).await?;
        let (last, clients) = self.clients().await?;
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
        let span = |client: &Client| Span {
            client_id: client.name.to_string(),
            spool: spool.to_string(),
            after: through(&wanted.without, &client.name),
            through: client.last_seq,
        };
        Ok(clients.values().map(span).collect())
    }

    pub(crate) async fn begin(
        &mut self,
        month: Month,
        part: i32,
        location: &str,
    ) -> Result<i64, ArchiveError> {
        let id = sqlx::query_scalar(
            "INSERT INTO archives (month, part, file_path) VALUES (?, ?, ?) \
             ON CONFLICT (month, part) DO UPDATE SET state = 'writing', file_path = excluded.file_path, \
             record_count = NULL, file_size = NULL, sha256 = NULL, digest = NULL, cursors = '[]', archived_at = NULL \
             RETURNING id",
        )
        .bind(month.to_string())
        .bind(part)
        .bind(location)
        .fetch_one(&mut self.connection)
        .await;
        id.map_err(|source| self.error(source))
    }

    pub(crate) async fn written(&mut self, part: &Part) -> Result<(), ArchiveError> {
        let noted = sqlx::query(
            "UPDATE archives SET state = 'written', record_count = ?, file_size = ?, sha256 = ?, digest = ?, cursors = ? \
             WHERE id = ?",
        )
        .bind(part.record_count)
        .bind(part.file_size)
        .bind(&part.sha256)
        .bind(&part.digest)
        .bind(serde_json::to_string(&part.spans).unwrap_or_default())
        .bind(part.id)
        .execute(&mut self.connection)
        .await;
        noted.map(|_| ()).map_err(|source| self.error(source))
    }

    pub(crate) async fn verified(&mut self, id: i64) -> Result<(), ArchiveError> {
        self.rows(format!(
            "UPDATE archives SET state = 'verified', archived_at = strftime('%Y-%m-%dT%H:%M:%SZ') WHERE id = {id}"
        ))
        .await
        .map(|_| ())
    }

    pub(crate) async fn detached(&mut self, _: Month) -> Result<Vec<String>, ArchiveError> {
        Ok(Vec::new())
    }

    pub(crate) async fn detach(&mut self, _: Month) -> Result<Option<String>, ArchiveError> {
        Ok(None)
    }

    /// In small steps, each of which can be the last before a crash: the next run goes on.
    pub(crate) async fn drop_archived(
        &mut self,
        month: Month,
        _: Option<&str>,
    ) -> Result<i64, ArchiveError> {
        let mut parts = self.parts(Some(month)).await?;
        parts.retain(|part| part.state == PartState::Verified);
        let covered = covered(&parts);
        let (_, clients) = self.clients().await?;
        let wanted = Wanted::all_of(month);
        let ids = self.ids(&wanted).await?;
        let archived: i64 = parts
            .iter()
            .filter(|part| !part.deleted)
            .filter_map(|part| part.record_count)
            .sum();
        let found: i64 = self
            .scalar(format!(
                "SELECT count(*) FROM search WHERE {} AND seq <= CASE client{} ELSE 0 END",
                within(&wanted, &ids, &clients),
                cases(&covered, &clients),
            ))
            .await?;
        // Fewer than archived: an earlier run was interrupted here.
        if found > archived {
            return Err(ArchiveError::Differs {
                month,
                found,
                archived,
            });
        }
        let mut deleted = 0;
        let mut from = *ids.start();
        while from <= *ids.end() {
            let to = (*ids.end()).min(from + STEP - 1);
            let sql = format!(
                "DELETE FROM search WHERE {} AND seq <= CASE client{} ELSE 0 END",
                within(&wanted, &(from..=to), &clients),
                cases(&covered, &clients),
            );
            let done = sqlx::query(AssertSqlSafe(sql)).execute(&mut self.connection).await;
            deleted += done.map_err(|source| self.error(source))?.rows_affected();
            from = to + 1;
        }
        self.rows(format!(
            "UPDATE archives SET deleted = 1, deleted_at = strftime('%Y-%m-%dT%H:%M:%SZ'), restored_at = NULL \
             WHERE month = '{month}' AND state = 'verified' AND NOT deleted"
        ))
        .await?;
        Ok(i64::try_from(deleted).unwrap_or(i64::MAX))
    }

    /// Between which ids the records of this time are.
    async fn ids(&mut self, wanted: &Wanted) -> Result<RangeInclusive<i64>, ArchiveError> {
        let day = 86_400_000_000;
        let sql = format!(
            "SELECT coalesce(min(first_id), 1), coalesce(max(last_id), 0) FROM day_count WHERE day >= {} AND day < {}",
            wanted.micros.start.div_euclid(day),
            (wanted.micros.end - 1).div_euclid(day) + 1,
        );
        let rows = self.rows(sql).await?;
        let bound = |index| rows.first().map_or(Ok(0), |row| row.try_get(index));
        let bounds = || Ok(bound(0)?..=bound(1)?);
        bounds().map_err(|source| self.error(source))
    }

    /// The last id, and everyone who writes, as of one moment.
    async fn clients(&mut self) -> Result<(i64, HashMap<i64, Client>), ArchiveError> {
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

    async fn scalar<T>(&mut self, sql: String) -> Result<T, ArchiveError>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite> + Send + Unpin,
    {
        let value = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut self.connection)
            .await;
        value.map_err(|source| self.error(source))
    }

    async fn rows(&mut self, sql: String) -> Result<Vec<SqliteRow>, ArchiveError> {
        let rows = sqlx::query(AssertSqlSafe(sql))
            .fetch_all(&mut self.connection)
            .await;
        rows.map_err(|source| self.error(source))
    }

    fn error(&self, source: sqlx::Error) -> ArchiveError {
        StoreError::of_database(&self.path, source).into()
    }
}

fn through(spans: &[Span], client_id: &str) -> i64 {
    let same = |span: &&Span| span.client_id == client_id;
    spans.iter().find(same).map_or(0, |span| span.through)
}

fn cases(spans: &[Span], clients: &HashMap<i64, Client>) -> String {
    clients.iter().fold(" WHEN 0 THEN 0".to_owned(), |mut sql, (id, client)| {
        let _ = write!(sql, " WHEN {id} THEN {}", through(spans, &client.name));
        sql
    })
}

fn within(wanted: &Wanted, ids: &RangeInclusive<i64>, clients: &HashMap<i64, Client>) -> String {
    format!(
        "id BETWEEN {} AND {} AND received_at >= {} AND received_at < {} AND seq > CASE client{} ELSE 0 END",
        ids.start(),
        ids.end(),
        wanted.micros.start,
        wanted.micros.end,
        cases(&wanted.without, clients)
    )
}

fn part(row: &SqliteRow) -> Result<Part, sqlx::Error> {
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
