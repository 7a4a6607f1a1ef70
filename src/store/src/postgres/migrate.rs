//! Bringing the database's tables to this version.

use std::collections::BTreeMap;

use sqlx::migrate::{MigrateError, Migration, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Postgres, Transaction};
use tokio::time::{Instant, sleep};

use super::{Database, PostgresError, mortal};

/// Where the versions that were applied are noted.
const SCHEMA: &str = "fleet";

static ROLES: &str = include_str!("../../../../migrations/postgres-roles.sql");

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/postgres");

/// The newest version that this program knows.
pub(super) fn known_version() -> i64 {
    MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or_default()
}

/// The version of the tables; none where there are no tables.
pub(super) async fn version(connection: &mut PgConnection) -> Result<Option<i64>, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let there: bool =
        sqlx::query_scalar("SELECT to_regclass('fleet._sqlx_migrations') IS NOT NULL")
            .persistent(false)
            .fetch_one(&mut *transaction)
            .await?;
    let found = if there {
        sqlx::query_scalar("SELECT max(version) FROM fleet._sqlx_migrations")
            .persistent(false)
            .fetch_one(&mut *transaction)
            .await?
    } else {
        None
    };
    transaction.commit().await?;
    Ok(found)
}

/// Makes the tables, or changes them to this version; gives it. All or nothing, one at a time however many try.
///
/// The user must own the database, or its schemas `fleet` and `soulseek`. The roles `fleet_writer`, `fleet_reader` and
/// `fleet_archiver` are made where the user may make roles; the log says which were not.
///
/// It may take as long as it takes, and waits for another migrator; it does not wait for a database that is gone.
pub async fn migrate(database: &Database) -> Result<i64, PostgresError> {
    let mut connection = database.connect_bare().await?;
    let migrated = begin_and_run(database, &mut connection).await;
    Database::disconnect(connection).await;
    migrated.map(|()| known_version())
}

async fn begin_and_run(
    database: &Database,
    connection: &mut PgConnection,
) -> Result<(), PostgresError> {
    let begin = format!("BEGIN; {}", mortal(Some(database.patience())));
    let begun = async {
        let mut transaction = connection.begin_with(AssertSqlSafe(begin)).await?;
        let session = sqlx::query_scalar("SELECT pg_backend_pid()")
            .persistent(false)
            .fetch_one(&mut *transaction)
            .await?;
        Ok((transaction, session))
    };
    let (transaction, session) = database.answer(begun).await?;
    tokio::select! {
        biased;
        migrated = run(database, transaction) => migrated,
        error = end_of(database, session) => Err(error),
    }
}

/// Waits until the database, or our session there, is gone without a word, and says so. A session that is at work, or
/// waits for somebody else's, looks just the same from here: another connection asks.
async fn end_of(database: &Database, session: i32) -> PostgresError {
    let patience = database.patience();
    loop {
        sleep(patience).await;
        match database.connect_bare().await {
            Ok(mut connection) => {
                let alive = database.answer(is_alive(&mut connection, session)).await;
                Database::disconnect(connection).await;
                // No answer at all: a pooler may have no second session for us.
                if let Ok(false) = alive {
                    return database.silent(patience);
                }
            }
            Err(error @ (PostgresError::Silent { .. } | PostgresError::Unreachable { .. })) => {
                return error;
            }
            // It answers.
            Err(_) => {}
        }
    }
}

/// Whether a session is there. The server ends one that has nothing to do for long: see [`mortal`].
async fn is_alive(connection: &mut PgConnection, session: i32) -> Result<bool, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let alive = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)")
        .bind(session)
        .persistent(false)
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(alive)
}

/// What the migrator of sqlx does, and its table, in a single transaction and without named statements: those stay behind
/// in a pooler.
async fn run(
    database: &Database,
    mut transaction: Transaction<'_, Postgres>,
) -> Result<(), PostgresError> {
    let failed = |source| database.error(source);
    check_encoding(database, &mut transaction).await?;
    let prepare = format!(
        "SELECT pg_advisory_xact_lock(hashtext('{SCHEMA}.migrate'));
         SET LOCAL client_min_messages TO warning;
         CREATE SCHEMA IF NOT EXISTS {SCHEMA};
         SET LOCAL search_path TO {SCHEMA};
         CREATE TABLE IF NOT EXISTS _sqlx_migrations (
             version bigint PRIMARY KEY,
             description text NOT NULL,
             installed_on timestamptz NOT NULL DEFAULT now(),
             success boolean NOT NULL,
             checksum bytea NOT NULL,
             execution_time bigint NOT NULL
         )"
    );
    transaction
        .execute(sqlx::raw_sql(AssertSqlSafe(prepare)))
        .await
        .map_err(failed)?;
    let applied: BTreeMap<i64, Vec<u8>> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations")
            .persistent(false)
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed)?
            .into_iter()
            .collect();
    let known = known_version();
    if let Some((&found, _)) = applied.last_key_value()
        && found > known
    {
        return Err(PostgresError::Newer {
            address: database.address(),
            found,
            known,
        });
    }
    for migration in MIGRATIONS.iter() {
        match applied.get(&migration.version) {
            Some(checksum) if *checksum == *migration.checksum => {}
            Some(_) => {
                let changed = MigrateError::VersionMismatch(migration.version);
                return Err(failed(sqlx::Error::Migrate(Box::new(changed))));
            }
            None => apply(&mut transaction, migration).await.map_err(failed)?,
        }
    }
    transaction
        .execute(sqlx::raw_sql(ROLES))
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

async fn apply(connection: &mut PgConnection, migration: &Migration) -> Result<(), sqlx::Error> {
    let began = Instant::now();
    connection
        .execute(sqlx::raw_sql(migration.sql.clone()))
        .await?;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES ($1, $2, true, $3, $4)",
    )
    .bind(migration.version)
    .bind(&*migration.description)
    .bind(&*migration.checksum)
    .bind(i64::try_from(began.elapsed().as_nanos()).unwrap_or(i64::MAX))
    .persistent(false)
    .execute(connection)
    .await?;
    Ok(())
}

/// Queries come in all the letters there are.
async fn check_encoding(
    database: &Database,
    connection: &mut PgConnection,
) -> Result<(), PostgresError> {
    let encoding: String = sqlx::query_scalar("SELECT current_setting('server_encoding')")
        .persistent(false)
        .fetch_one(connection)
        .await
        .map_err(|source| database.error(source))?;
    if encoding == "UTF8" {
        return Ok(());
    }
    Err(PostgresError::Encoding {
        address: database.address(),
        encoding,
    })
}
