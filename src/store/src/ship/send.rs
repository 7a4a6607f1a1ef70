//! The database's side: one batch, one transaction.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use super::batch::{Batch, Cursor, Step};
use super::outbox::Client;
use crate::postgres::copy::Rows;
use crate::postgres::record::COLUMNS;
use crate::postgres::{Database, PostgresError, mortal};

/// Months that are made ahead of time.
const AHEAD: i32 = 2;

/// A connection through which batches go.
#[derive(Debug)]
pub(super) struct Sender {
    database: Database,
    connection: PgConnection,
    /// A transaction that takes longer than this is given up. What came of it is asked for afterwards.
    patience: Duration,
    /// How a transaction begins.
    begin: String,
    /// Days, as days since 1970-01-01, whose partition is there. Where the archiver has taken one away since, the batch
    /// fails, and the next connection makes it again.
    ready: HashSet<i32>,
}

impl Sender {
    pub(super) async fn connect(
        database: &Database,
        patience: Duration,
    ) -> Result<Self, PostgresError> {
        let begin = begin(database.patience());
        let mut connection = database.connect().await?;
        let ahead = async {
            let mut transaction = connection.begin_with(AssertSqlSafe(begin.clone())).await?;
            sqlx::query(
                "SELECT soulseek.add_month(((now() AT TIME ZONE 'UTC') + make_interval(months => n))::date) \
                 FROM generate_series(0, $1) AS n",
            )
            .bind(AHEAD)
            .persistent(false)
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await
        };
        database.answer(ahead).await?;
        Ok(Self {
            database: database.clone(),
            connection,
            patience,
            begin,
            ready: HashSet::new(),
        })
    }

    /// Says goodbye.
    pub(super) async fn close(self) {
        Database::disconnect(self.connection).await;
    }

    /// Where the clients of the spool stand, by their numbers there.
    pub(super) async fn register(
        &mut self,
        spool: &str,
        clients: &[Client],
    ) -> Result<BTreeMap<i64, Cursor>, PostgresError> {
        let registered = async {
            let mut cursors = BTreeMap::new();
            let mut transaction = self
                .connection
                .begin_with(AssertSqlSafe(self.begin.clone()))
                .await?;
            for known in clients {
                let (client, last_seq, last_at, last_event) = sqlx::query_as(
                    "SELECT client, last_seq, last_at, last_event FROM soulseek.register_client($1, $2)",
                )
                .bind(&known.name)
                .bind(spool)
                .persistent(false)
                .fetch_one(&mut *transaction)
                .await?;
                let cursor = Cursor {
                    client,
                    last_seq,
                    last_at,
                    last_event,
                };
                cursors.insert(known.id, cursor);
            }
            transaction.commit().await?;
            Ok(cursors)
        };
        self.database.answer(registered).await
    }

    /// Brings a batch. False when the database stands elsewhere than the batch begins: nothing was brought.
    pub(super) async fn send(&mut self, batch: Batch) -> Result<bool, PostgresError> {
        self.prepare_months(&batch).await?;
        let sent = bring(&mut self.connection, self.begin.clone(), batch);
        self.database.answer_within(self.patience, sent).await
    }

    async fn prepare_months(&mut self, batch: &Batch) -> Result<(), PostgresError> {
        let known = |day: &&i32| !self.ready.contains(day);
        let new: Vec<i32> = batch.days.iter().filter(known).copied().collect();
        if new.is_empty() {
            return Ok(());
        }
        let made = async {
            let mut transaction = self
                .connection
                .begin_with(AssertSqlSafe(self.begin.clone()))
                .await?;
            sqlx::query(
                "SELECT soulseek.add_month(DATE '1970-01-01' + day) FROM unnest($1) AS day",
            )
            .bind(&new)
            .persistent(false)
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await
        };
        self.database.answer(made).await?;
        self.ready.extend(new);
        Ok(())
    }
}

/// Begins a transaction that nobody has to wait for for long, whatever becomes of us, in a single message.
///
/// - Who is in the way is told before our patience ends; and a session that waits for a lock does not notice that we
///   have given up.
/// - [`mortal`].
/// - What is committed the spool forgets. A server that is set not to wait for its disk does so here.
fn begin(patience: Duration) -> String {
    let locked = (patience.as_millis() / 2).max(1);
    format!(
        "BEGIN; SET LOCAL lock_timeout = {locked}; {}; \
         SELECT set_config('synchronous_commit', 'local', true) WHERE current_setting('synchronous_commit') = 'off'",
        mortal(Some(patience))
    )
}

/// One transaction.
async fn bring(
    connection: &mut PgConnection,
    begin: String,
    batch: Batch,
) -> Result<bool, sqlx::Error> {
    let Batch {
        searches,
        events,
        steps,
        ..
    } = batch;
    let mut transaction = connection.begin_with(AssertSqlSafe(begin)).await?;
    for step in steps.values() {
        let (last_seq, last_event): (i64, i64) =
            sqlx::query_as("SELECT last_seq, last_event FROM soulseek.lock_cursor($1)")
                .bind(step.from.client)
                .persistent(false)
                .fetch_one(&mut *transaction)
                .await?;
        if (last_seq, last_event) != (step.from.last_seq, step.from.last_event) {
            transaction.rollback().await?;
            return Ok(false);
        }
    }
    copy(
        &mut transaction,
        &format!("soulseek.search ({COLUMNS})"),
        searches,
    )
    .await?;
    copy(
        &mut transaction,
        "soulseek.event (client, id, at, kind, detail)",
        events,
    )
    .await?;
    for step in steps.values() {
        advance(&mut transaction, step).await?;
    }
    transaction.commit().await?;
    Ok(true)
}

async fn copy(connection: &mut PgConnection, into: &str, rows: Rows) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut copy = connection
        .copy_in_raw(&format!("COPY {into} FROM STDIN (FORMAT binary)"))
        .await?;
    copy.send(rows.finish()).await?;
    copy.finish().await?;
    Ok(())
}

async fn advance(connection: &mut PgConnection, step: &Step) -> Result<(), sqlx::Error> {
    let days: Vec<i32> = step.days.keys().copied().collect();
    let counts: Vec<i64> = step.days.values().copied().collect();
    sqlx::query("SELECT soulseek.advance($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(step.from.client)
        .bind(step.from.last_seq)
        .bind(step.to.last_seq)
        .bind(step.to.last_at)
        .bind(step.missing)
        .bind(step.to.last_event)
        .bind(days)
        .bind(counts)
        .persistent(false)
        .execute(connection)
        .await?;
    Ok(())
}
