//! What one commit writes.

use std::sync::LazyLock;

use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments as _, Connection as _, Encode, Sqlite, Type};
use tokio::sync::oneshot;

use crate::Record;

/// What the queue carries to the writer.
#[derive(Debug)]
pub(crate) enum Entry {
    Search {
        client: usize,
        cost: u32,
        record: Record,
    },
    Event {
        client: usize,
        cost: u32,
        at: i64,
        kind: &'static str,
        detail: String,
    },
    Flush {
        client: usize,
        done: oneshot::Sender<u64>,
    },
}

/// What an entry costs in memory beside its texts: itself in the queue, or its bound values in a batch.
pub(crate) const ENTRY_COST: usize = 256;

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The key of the client in the database.
    pub(crate) id: i64,
    /// The last sequence number.
    pub(crate) last_seq: i64,
}

/// Everything that identifies what is in the file: nobody else writes to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// By the index that entries carry.
    pub(crate) clients: Vec<Position>,
    /// The key of the last event.
    pub(crate) last_event: i64,
}

impl State {
    /// Reads where the same clients stand in the file. A client that is not there stands before its first record.
    pub(crate) async fn read(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<Self, sqlx::Error> {
        let mut clients = Vec::with_capacity(self.clients.len());
        for client in &self.clients {
            let last_seq = sqlx::query_scalar("SELECT last_seq FROM client WHERE id = ?")
                .bind(client.id)
                .fetch_optional(&mut *connection)
                .await?;
            clients.push(Position {
                id: client.id,
                last_seq: last_seq.unwrap_or(-1),
            });
        }
        Ok(Self {
            clients,
            last_event: last_event(connection).await?,
        })
    }
}

pub(crate) async fn last_event(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    // Not the last line that is there: shipped ones have left.
    sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'event'")
        .fetch_one(connection)
        .await
}

/// What one commit writes. Sequence numbers are given once, here, so that writing it again writes the same.
#[derive(Debug)]
pub(crate) struct Batch {
    statements: Vec<(&'static str, SqliteArguments)>,
    /// Where everybody stands when the batch is in the file.
    pub(crate) after: State,
    /// Searches in it.
    pub(crate) records: u64,
    /// Searches and events in it.
    pub(crate) entries: u64,
    /// What it takes from the memory budget.
    pub(crate) cost: usize,
    /// Who waits for it.
    pub(crate) waiting: Vec<(usize, oneshot::Sender<u64>)>,
}

impl Batch {
    pub(crate) fn new(entries: impl IntoIterator<Item = Entry>, before: &State) -> Self {
        let mut batch = Self {
            statements: Vec::new(),
            after: before.clone(),
            records: 0,
            entries: 0,
            cost: 0,
            waiting: Vec::new(),
        };
        let mut rows = Vec::new();
        for entry in entries {
            match entry {
                Entry::Search {
                    client,
                    cost,
                    record,
                } => {
                    batch.count(cost);
                    batch.records += 1;
                    let position = &mut batch.after.clients[client];
                    position.last_seq += 1;
                    rows.push((*position, record));
                }
                Entry::Event {
                    client,
                    cost,
                    at,
                    kind,
                    detail,
                } => {
                    batch.count(cost);
                    batch.add_event(client, at, kind, detail);
                }
                Entry::Flush { client, done } => batch.waiting.push((client, done)),
            }
        }
        batch.add_searches(rows);
        batch.add_advances(before);
        batch
    }

    fn count(&mut self, cost: u32) {
        self.entries += 1;
        self.cost += cost as usize;
    }

    fn add_event(&mut self, client: usize, at: i64, kind: &'static str, detail: String) {
        self.after.last_event += 1;
        let mut values = Values::default();
        values
            .add(self.after.last_event)
            .add(self.after.clients[client].id);
        values.add(at).add(kind).add(detail);
        self.statements.push((
            "INSERT INTO event (id, client, at, kind, detail) VALUES (?, ?, ?, ?, ?)",
            values.0,
        ));
    }

    fn add_searches(&mut self, rows: Vec<(Position, Record)>) {
        let mut left = rows.len();
        let mut rows = rows.into_iter();
        for insert in &*INSERTS {
            while left >= insert.rows {
                left -= insert.rows;
                let mut values = Values::default();
                values.0.reserve(insert.rows * COLUMNS, 0);
                for (position, record) in rows.by_ref().take(insert.rows) {
                    values.add_search(position, record);
                }
                self.statements.push((&insert.sql, values.0));
            }
        }
    }

    fn add_advances(&mut self, before: &State) {
        for (before, after) in before.clients.iter().zip(&self.after.clients) {
            if before != after {
                let mut values = Values::default();
                values.add(after.last_seq).add(after.id);
                self.statements
                    .push(("UPDATE client SET last_seq = ? WHERE id = ?", values.0));
            }
        }
    }

    /// Writes everything in one transaction and returns when it is on the disk.
    pub(crate) async fn write(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for (sql, arguments) in &self.statements {
            // The texts are shared, not copied.
            sqlx::query_with(*sql, arguments.clone())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    }
}

const COLUMNS: usize = 9;

/// An INSERT of many rows.
struct Insert {
    rows: usize,
    sql: String,
}

/// A call into the database costs more than a row, so rows go together; fixed sizes keep the prepared statements few.
/// Measured: 64 rows 2.5 µs a record, 256 rows 2.0, 1000 rows 1.7 (and more memory), `json_each` 5.9.
static INSERTS: LazyLock<[Insert; 5]> = LazyLock::new(|| {
    [256, 64, 16, 4, 1].map(|rows| {
        let row = "(?,?,?,?,?,?,?,?,?)";
        let columns =
            "client, seq, received_at, username, query, query_raw, token, source, branch_level";
        let more = format!(",{row}").repeat(rows - 1);
        Insert {
            rows,
            sql: format!("INSERT INTO search ({columns}) VALUES {row}{more}"),
        }
    })
});

/// The values of one statement.
#[derive(Default)]
struct Values(SqliteArguments);

impl Values {
    fn add<'v>(&mut self, value: impl Encode<'v, Sqlite> + Type<Sqlite>) -> &mut Self {
        self.0
            .add(value)
            .expect("numbers, texts and bytes always have a form in SQLite");
        self
    }

    fn add_search(&mut self, position: Position, record: Record) {
        let origin = record.origin();
        let Record {
            received_at,
            username,
            query,
            query_raw,
            token,
            source: _,
            branch_level,
            canary: _,
        } = record;
        self.add(position.id)
            .add(position.last_seq)
            .add(received_at);
        self.add(username).add(query).add(query_raw);
        self.add(i64::from(token))
            .add(origin)
            .add(i64::from(branch_level));
    }
}
