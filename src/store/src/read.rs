//! Reading the store, also while a collector writes to it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use futures_util::stream::{BoxStream, StreamExt as _};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Executor as _, Row as _, SqlSafeStr as _,
    Statement as _, TypeInfo as _, ValueRef as _,
};

use crate::StoreError;
use crate::database::{DATABASE_FILE, known_version};

/// Reads the store of a data directory; never changes it.
#[derive(Clone, Debug)]
pub struct Reader {
    path: PathBuf,
}

impl Reader {
    /// Looks whether there is a store in `dir` that this program can read.
    pub async fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(DATABASE_FILE);
        match std::fs::metadata(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Missing { path });
            }
            Err(source) => {
                return Err(StoreError::Io {
                    doing: "open",
                    path,
                    source,
                });
            }
        }
        // A name that begins with "file:" would be taken for a URI.
        let path = std::path::absolute(&path).map_err(|source| StoreError::Io {
            doing: "find",
            path: path.clone(),
            source,
        })?;
        let reader = Self { path };
        let mut connection = reader.connect().await?;
        let found = reader.version(&mut connection).await?;
        let known = known_version();
        if found > known {
            return Err(StoreError::Newer {
                path: reader.path,
                found,
                known,
            });
        }
        Ok(reader)
    }

    async fn version(&self, connection: &mut SqliteConnection) -> Result<i64, StoreError> {
        let failed = |source| StoreError::of_database(&self.path, source);
        let migrated: bool = sqlx::query_scalar(
            "SELECT count(*) FROM soulseek.sqlite_master WHERE name = '_sqlx_migrations'",
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
        if !migrated {
            return Err(StoreError::NotAStore {
                path: self.path.clone(),
            });
        }
        sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM soulseek._sqlx_migrations")
            .fetch_one(connection)
            .await
            .map_err(failed)
    }

    /// A connection that can only read. The file has a name in it, so that `soulseek.searches` means the same as in a
    /// database with a schema of this name.
    pub(crate) async fn connect(&self) -> Result<SqliteConnection, StoreError> {
        let failed = |source| StoreError::of_database(&self.path, source);
        // What is attached to a read-only connection is read-only.
        let options = SqliteConnectOptions::new()
            .filename(":memory:")
            .read_only(true)
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(failed)?;
        let file = self.path.to_string_lossy().into_owned();
        sqlx::query("ATTACH ? AS soulseek")
            .bind(file)
            .execute(&mut connection)
            .await
            .map_err(failed)?;
        connection
            .execute("PRAGMA query_only = ON")
            .await
            .map_err(failed)?;
        Ok(connection)
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Prepares one statement that reads. The tables are `searches` and `events`.
    pub async fn query(&self, sql: &str) -> Result<Query, StoreError> {
        let mut connection = self.connect().await?;
        let statement = AssertSqlSafe(sql).into_sql_str();
        let prepared = connection
            .prepare(statement)
            .await
            .map_err(StoreError::Query)?;
        let columns: Vec<String> = prepared
            .columns()
            .iter()
            .map(|column| column.name().to_owned())
            .collect();
        if columns.is_empty() {
            return Err(StoreError::NotAQuery);
        }
        Ok(Query {
            connection,
            sql: sql.to_owned(),
            columns,
        })
    }
}

/// A statement that is ready to be read.
#[derive(Debug)]
pub struct Query {
    connection: SqliteConnection,
    sql: String,
    columns: Vec<String>,
}

impl Query {
    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Runs the statement. The rows come one by one: the result need not fit into memory.
    pub fn rows(&mut self) -> BoxStream<'_, Result<Vec<Value>, StoreError>> {
        let width = self.columns.len();
        let rows = self.connection.fetch(AssertSqlSafe(self.sql.as_str()));
        rows.map(move |row| {
            let row = row.map_err(StoreError::Query)?;
            // A second statement in the text brings other columns.
            if row.len() == width {
                values(&row)
            } else {
                Err(StoreError::NotAQuery)
            }
        })
        .boxed()
    }
}

/// What one cell holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A whole number.
    Int(i64),
    /// A number.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// As a person reads it; bytes as hexadecimal digits.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.pad("NULL"),
            Self::Int(value) => value.fmt(f),
            Self::Real(value) => value.fmt(f),
            Self::Text(value) => f.pad(value),
            Self::Blob(value) => f.pad(&crate::export::hex(value)),
        }
    }
}

fn values(row: &SqliteRow) -> Result<Vec<Value>, StoreError> {
    (0..row.len())
        .map(|column| value(row, column).map_err(StoreError::Query))
        .collect()
}

fn value(row: &SqliteRow, column: usize) -> Result<Value, sqlx::Error> {
    let raw = row.try_get_raw(column)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    // In SQLite the type belongs to the value, not to the column.
    Ok(match raw.type_info().name() {
        "INTEGER" => Value::Int(row.try_get_unchecked(column)?),
        "REAL" => Value::Real(row.try_get_unchecked(column)?),
        "TEXT" => {
            // CAST can make a text of any bytes.
            let bytes: &[u8] = row.try_get_unchecked(column)?;
            Value::Text(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => Value::Blob(row.try_get_unchecked(column)?),
    })
}
