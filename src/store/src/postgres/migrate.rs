//! Bringing the database's tables to this version.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use super::{Database, PostgresError};

/// Where the versions that were applied are noted.
const SCHEMA: &str = "fleet";

static ROLES: &str = include_str!("../../../../migrations/postgres-roles.sql");

fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../../migrations/postgres");
    // Locked below, for the whole of it: a lock of the session would stay behind in a pooler.
    migrator.set_locking(false);
    migrator
}

/// The newest version that this program knows.
pub(super) fn known_version() -> i64 {
    migrator()
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
/// `fleet_archiver` are made where the user may make roles.
pub async fn migrate(database: &Database) -> Result<i64, PostgresError> {
    let mut connection = database.connect_bare().await?;
    let migrated = run(&mut connection)
        .await
        .map_err(|error| of(database, error));
    Database::disconnect(connection).await;
    migrated.map(|()| known_version())
}

async fn run(connection: &mut PgConnection) -> Result<(), MigrateError> {
    let mut transaction = connection.begin().await?;
    let prepare = format!(
        "SELECT pg_advisory_xact_lock(hashtext('{SCHEMA}.migrate'));
         SET LOCAL client_min_messages TO warning;
         CREATE SCHEMA IF NOT EXISTS {SCHEMA};
         SET LOCAL search_path TO {SCHEMA}"
    );
    transaction
        .execute(sqlx::raw_sql(AssertSqlSafe(prepare)))
        .await?;
    migrator()
        .run_direct(None, &mut *transaction, false)
        .await?;
    transaction.execute(sqlx::raw_sql(ROLES)).await?;
    transaction.commit().await?;
    Ok(())
}

fn of(database: &Database, error: MigrateError) -> PostgresError {
    match error {
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
            database.error(source)
        }
        MigrateError::VersionMissing(found) => PostgresError::Newer {
            address: database.address(),
            found,
            known: known_version(),
        },
        other => database.error(sqlx::Error::Migrate(Box::new(other))),
    }
}
