//! The live tables in PostgreSQL: a partition a month.

mod archives;
mod days;
mod restore;
mod rows;

use std::ops::Range;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Postgres, Row as _};
use tokio::time::sleep;

use super::Wanted;
use crate::archive::{ArchiveError, Month};
use crate::postgres::{Database, PostgresError, mortal};

/// A server takes a moment to notice that an archiver was killed.
const LOCK_TRIES: usize = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(500);

/// For statements that go through a month.
const LONG: Duration = Duration::from_hours(4);

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
            let begin = format!("BEGIN; {}", mortal(None));
            connection
                .execute(sqlx::raw_sql(AssertSqlSafe(begin)))
                .await?;
            for _ in 0..LOCK_TRIES {
                let tried = "SELECT pg_try_advisory_xact_lock(hashtext('soulseek.archive'))";
                if sqlx::query_scalar(tried)
                    .persistent(false)
                    .fetch_one(&mut connection)
                    .await?
                {
                    return Ok(true);
                }
                sleep(LOCK_PAUSE).await;
            }
            Ok(false)
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

    /// Fails where the lock's connection is gone: another archiver may be at work.
    pub(crate) async fn holds_lock(&mut self) -> Result<(), ArchiveError> {
        let Some(lock) = &mut self.lock else {
            return Ok(());
        };
        let asked = self.database.answer(lock.execute("SELECT")).await;
        asked
            .map(|_| ())
            .map_err(|source| ArchiveError::LockLost { source })
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
        let name = |table: &String| {
            table
                .strip_prefix("search_")?
                .replace('_', "-")
                .parse()
                .ok()
        };
        let mut months = Vec::new();
        for month in tables.iter().filter_map(name) {
            if self.any(&Wanted::all_of(month)).await? {
                months.push(month);
            }
        }
        Ok(months)
    }

    pub(crate) async fn any(&mut self, wanted: &Wanted) -> Result<bool, ArchiveError> {
        let clients = self.clients().await?;
        let sql = format!(
            "SELECT EXISTS (SELECT FROM {})",
            rows::from(wanted, &clients)
        );
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

    pub(crate) async fn detached(&mut self, month: Month) -> Result<Vec<String>, ArchiveError> {
        let name = month.to_string().replace('-', "\\_");
        self.column(format!(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'soulseek'::regnamespace AND relkind = 'r' \
             AND relname LIKE 'detached\\_{name}\\_%' ORDER BY relname"
        ))
        .await
    }

    /// Each try holds writers up for half a second at most, so that there may be many.
    pub(crate) async fn detach(&mut self, month: Month) -> Result<String, ArchiveError> {
        self.holds_lock().await?;
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
        Ok(name)
    }

    pub(crate) async fn drop_archived(
        &mut self,
        month: Month,
        detached: Option<&str>,
    ) -> Result<i64, ArchiveError> {
        let Some(table) = detached else {
            return Ok(0);
        };
        self.holds_lock().await?;
        let sql = format!("SELECT soulseek.drop_detached('{month}', '{table}')");
        let dropped = scalar(&mut self.connection, sql);
        Ok(self.database.answer_within(LONG, dropped).await?)
    }

    /// Outside or within a transaction, as it comes.
    async fn command(&mut self, sql: &'static str) -> Result<(), ArchiveError> {
        let done = self.connection.execute(sql);
        self.database.answer(done).await?;
        Ok(())
    }

    async fn execute(&mut self, sql: String) -> Result<(), ArchiveError> {
        self.rows(sql).await.map(|_| ())
    }

    /// The first column.
    async fn column<T>(&mut self, sql: String) -> Result<Vec<T>, ArchiveError>
    where
        T: for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
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
        let rows = committed(&mut self.connection, sqlx::query(AssertSqlSafe(sql)));
        Ok(self.database.answer_within(LONG, rows).await?)
    }
}

/// Runs a statement in a transaction of its own.
async fn committed(
    connection: &mut PgConnection,
    statement: Query<'_, Postgres, PgArguments>,
) -> Result<Vec<PgRow>, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let rows = statement
        .persistent(false)
        .fetch_all(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(rows)
}

/// The first column of the first row.
fn first<T>(rows: &[PgRow]) -> Result<T, sqlx::Error>
where
    T: for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
{
    rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)
}

async fn scalar<T>(connection: &mut PgConnection, sql: String) -> Result<T, sqlx::Error>
where
    T: for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
{
    first(&committed(connection, sqlx::query(AssertSqlSafe(sql))).await?)
}
