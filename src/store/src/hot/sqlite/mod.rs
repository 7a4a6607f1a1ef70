//! The live tables in a spool that is the database itself.

mod archives;
mod days;
mod restore;
mod rows;

use std::fs::File;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};
use tokio::time::{Instant, sleep};

use self::rows::{cases, within};
use super::Wanted;
use crate::archive::{ArchiveError, Month, PartState, covered};
use crate::row::MICROS_A_DAY;
use crate::{Reader, StoreError};

/// The file whose lock says that an archiver is at work.
const LOCK_FILE: &str = "archive.lock";
/// Rows that are counted or deleted in one transaction: a collector that is writing waits for less than it can hold.
const STEP: i64 = 20_000;

#[derive(Debug)]
pub(crate) struct SqliteHot {
    path: PathBuf,
    connection: SqliteConnection,
    lock: Option<File>,
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
            let through: i64 = self
                .scalar("SELECT through FROM counted".to_owned())
                .await?;
            if through >= last {
                return Ok(());
            }
            let to = last.min(through + STEP);
            let step = async |connection: &mut SqliteConnection| {
                let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
                let sql = count("count(*)", through, to);
                sqlx::query(AssertSqlSafe(sql))
                    .execute(&mut *transaction)
                    .await?;
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
        let days = self
            .rows("SELECT DISTINCT day FROM day_count ORDER BY day".to_owned())
            .await?;
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
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM search WHERE {})",
            within(wanted, &ids, &clients)
        );
        self.scalar(sql).await
    }

    pub(crate) async fn expected(&mut self, days: Range<i32>) -> Result<i64, ArchiveError> {
        let Range { start, end } = days;
        self.scalar(format!(
            "SELECT coalesce(sum(searches), 0) FROM day_count WHERE day >= {start} AND day < {end}"
        ))
        .await
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
        let deleted = self
            .delete_between(&ids, |ids| {
                format!(
                    "{} AND seq <= CASE client{} ELSE 0 END",
                    within(&wanted, ids, &clients),
                    cases(&covered, &clients),
                )
            })
            .await?;
        self.rows(format!(
            "UPDATE archives SET deleted = 1, deleted_at = strftime('%Y-%m-%dT%H:%M:%SZ'), restored_at = NULL \
             WHERE month = '{month}' AND state = 'verified' AND NOT deleted"
        ))
        .await?;
        Ok(i64::try_from(deleted).unwrap_or(i64::MAX))
    }

    /// Deletes in small steps what the condition names for some ids.
    async fn delete_between(
        &mut self,
        ids: &RangeInclusive<i64>,
        condition: impl Fn(&RangeInclusive<i64>) -> String,
    ) -> Result<u64, ArchiveError> {
        let mut deleted = 0;
        let mut from = *ids.start();
        while from <= *ids.end() {
            let to = (*ids.end()).min(from + STEP - 1);
            let began = Instant::now();
            let sql = format!("DELETE FROM search WHERE {}", condition(&(from..=to)));
            let done = sqlx::query(AssertSqlSafe(sql))
                .execute(&mut self.connection)
                .await;
            let rows = done.map_err(|source| self.error(source))?.rows_affected();
            if rows > 0 {
                // A collector that is writing finds the file free half of the time.
                sleep(began.elapsed()).await;
            }
            deleted += rows;
            from = to + 1;
        }
        Ok(deleted)
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

/// Counts the records of some ids, by day and client, and notes where they are. `how_many` says how much each adds.
fn count(how_many: &str, after: i64, through: i64) -> String {
    let rounding = MICROS_A_DAY - 1;
    format!(
        "INSERT INTO day_count (day, client, searches, first_id, last_id) \
         SELECT (received_at - CASE WHEN received_at < 0 THEN {rounding} ELSE 0 END) / {MICROS_A_DAY}, client, \
                {how_many}, min(id), max(id) \
         FROM search WHERE id > {after} AND id <= {through} GROUP BY 1, 2 \
         ON CONFLICT (day, client) DO UPDATE SET searches = searches + excluded.searches, \
         first_id = min(first_id, excluded.first_id), last_id = max(last_id, excluded.last_id)"
    )
}
