//! The one task that writes: it takes what is queued, commits it, and waits out a disk that does not take it.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio::time::{Duration, Instant};

use crate::batch::{Batch, Entry, Position, State};
use crate::client::Registered;
use crate::database::Database;
use crate::status::SpoolStatus;
use crate::{SpoolOptions, StoreError};

/// Asks for the handle of a client.
#[derive(Debug)]
pub(crate) struct Register {
    pub(crate) name: String,
    pub(crate) done: oneshot::Sender<Result<Registered, StoreError>>,
}

#[derive(Debug)]
pub(crate) struct Client {
    name: String,
    durable: Arc<AtomicU64>,
}

/// What the file holds after a failure.
enum Resumed {
    /// Nothing of the batch.
    Before(SqliteConnection),
    /// All of the batch, durable.
    After(SqliteConnection),
}

#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) database: Database,
    /// None after a failure: what is in the file must then be looked at before it is written again.
    pub(crate) connection: Option<SqliteConnection>,
    pub(crate) options: SpoolOptions,
    /// In the order of `state.clients`.
    pub(crate) clients: Vec<Client>,
    /// What is durable.
    pub(crate) state: State,
    pub(crate) inbox: mpsc::Receiver<Entry>,
    pub(crate) registrations: mpsc::Receiver<Register>,
    pub(crate) budget: Arc<Semaphore>,
    pub(crate) hurry: Arc<Notify>,
    /// True, or its sender gone: write what was accepted, then end.
    pub(crate) closing: watch::Receiver<bool>,
    pub(crate) status: watch::Sender<SpoolStatus>,
    /// Held until the last byte is written.
    pub(crate) lock: File,
}

impl Writer {
    /// Writes until the spool is closed.
    pub(crate) async fn run(self) -> Result<(), StoreError> {
        let budget = Arc::clone(&self.budget);
        let ended = self.serve().await;
        // Nobody gives memory back any more: whoever waits for some must hear it.
        budget.close();
        ended
    }

    async fn serve(mut self) -> Result<(), StoreError> {
        let mut entries = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = closed(&mut self.closing), if !self.inbox.is_closed() => self.stop_accepting(),
                Some(request) = self.registrations.recv() => self.register(request).await,
                taken = self.inbox.recv_many(&mut entries, self.options.batch_entries) => {
                    if taken == 0 {
                        break;
                    }
                    self.linger(&mut entries).await;
                    let batch = Batch::new(entries.drain(..), &self.state);
                    self.commit(batch).await?;
                }
            }
        }
        self.finish().await
    }

    /// What was accepted stays in the queue until it is taken.
    fn stop_accepting(&mut self) {
        self.budget.close();
        self.registrations.close();
        self.inbox.close();
    }

    /// A burst becomes one commit. Ends early when somebody waits for it.
    async fn linger(&mut self, entries: &mut Vec<Entry>) {
        let limit = self.options.batch_entries;
        if entries.len() < limit && !self.inbox.is_closed() {
            tokio::select! {
                () = tokio::time::sleep(self.options.linger) => {}
                () = self.hurry.notified() => {}
                () = closed(&mut self.closing) => {}
            }
        }
        while entries.len() < limit
            && let Ok(entry) = self.inbox.try_recv()
        {
            entries.push(entry);
        }
    }

    async fn register(&mut self, request: Register) {
        let Register { name, done } = request;
        let known = self.clients.iter().position(|client| client.name == name);
        let index = match known {
            Some(index) => Ok(index),
            None => self.add_client(name).await,
        };
        let registered = index.map(|index| Registered {
            index,
            durable: Arc::clone(&self.clients[index].durable),
        });
        // Nobody waits any more: the client stays registered, which harms nobody.
        let _ = done.send(registered);
    }

    async fn add_client(&mut self, name: String) -> Result<usize, StoreError> {
        // Every commit leaves a good connection, or ends the writer.
        let Some(connection) = &mut self.connection else {
            return Err(StoreError::Closed);
        };
        match position_of(connection, &name).await {
            Ok(position) => {
                let durable = Arc::new(AtomicU64::new(position.last_seq.unsigned_abs()));
                self.clients.push(Client { name, durable });
                self.state.clients.push(position);
                Ok(self.clients.len() - 1)
            }
            Err(source) => Err(StoreError::of_database(self.database.path(), source)),
        }
    }

    /// Returns when the batch is durable, however long that takes, or when closing has no patience left.
    async fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        let started = Instant::now();
        let mut give_up = None;
        let mut failed = false;
        while let Err(error) = self.try_commit(&batch).await {
            self.report_stall(&error, &batch, !failed);
            failed = true;
            if !self.wait_for_retry(&mut give_up).await {
                return Err(StoreError::Undrained {
                    waiting: self.abandon(&batch),
                    reason: error.in_full(),
                });
            }
        }
        let took = started.elapsed();
        if failed {
            tracing::info!(
                path = %self.database.path().display(),
                duration_ms = millis(took),
                waiting = self.waiting(&batch),
                "the spool writes again; nothing was lost"
            );
        }
        self.acknowledge(batch, took);
        Ok(())
    }

    async fn try_commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match self.resume(batch).await? {
                Resumed::Before(connection) => connection,
                Resumed::After(connection) => {
                    self.connection = Some(connection);
                    return Ok(());
                }
            },
        };
        let written = batch.write(&mut connection).await;
        #[cfg(test)]
        let written = written.and_then(|()| self.database.faults.lose_answer());
        if let Err(source) = written {
            // A connection that failed is in doubt, and so is whether it committed: begin from the file again.
            let _ = connection.close().await;
            return Err(StoreError::of_database(self.database.path(), source));
        }
        self.connection = Some(connection);
        Ok(())
    }

    /// Opens the file after a failure and looks whether the batch is in it.
    async fn resume(&self, batch: &Batch) -> Result<Resumed, StoreError> {
        let mut connection = self.database.reopen().await?;
        let found = self.state.read(&mut connection).await;
        let found =
            found.map_err(|source| StoreError::of_database(self.database.path(), source))?;
        if found == self.state && found != batch.after {
            return Ok(Resumed::Before(connection));
        }
        if found != batch.after {
            return Err(StoreError::Changed {
                path: self.database.path().to_owned(),
            });
        }
        // The commit that failed is in the log after all. Its sync may be what failed, and a second sync of the same
        // pages can succeed without writing them: copying them into the file makes the commit durable.
        self.database.checkpoint(&mut connection).await?;
        Ok(Resumed::After(connection))
    }

    fn report_stall(&self, error: &StoreError, batch: &Batch, first: bool) {
        let reason = error.in_full();
        let pending = self.waiting(batch);
        if first {
            tracing::error!(
                waiting = pending,
                "the spool cannot write, collection waits: {reason}"
            );
        }
        self.status.send_modify(|status| {
            status.pending = pending;
            status.stalled = Some(reason);
        });
    }

    /// False when the spool is closing and has tried for long enough.
    async fn wait_for_retry(&mut self, give_up: &mut Option<Instant>) -> bool {
        let retry = tokio::time::sleep(self.options.retry);
        if give_up.is_none() {
            tokio::select! {
                () = retry => return true,
                () = closed(&mut self.closing) => {}
            }
            *give_up = Some(Instant::now() + self.options.close_patience);
            return true;
        }
        retry.await;
        give_up.is_none_or(|give_up| Instant::now() < give_up)
    }

    fn acknowledge(&mut self, batch: Batch, took: Duration) {
        let Batch {
            after,
            records,
            cost,
            waiting,
            ..
        } = batch;
        self.state = after;
        self.budget.add_permits(cost);
        for (client, position) in self.clients.iter().zip(&self.state.clients) {
            client
                .durable
                .store(position.last_seq.unsigned_abs(), Ordering::Relaxed);
        }
        for (client, done) in waiting {
            // Whoever asked may have stopped waiting.
            let _ = done.send(self.state.clients[client].last_seq.unsigned_abs());
        }
        self.status.send_modify(|status| {
            status.pending = self.inbox.len() as u64;
            status.committed += records;
            status.last_commit_records = records;
            status.last_commit_ms = millis(took);
            status.stalled = None;
        });
    }

    fn waiting(&self, batch: &Batch) -> u64 {
        batch.entries + self.inbox.len() as u64
    }

    /// Counts what will not be written.
    fn abandon(&mut self, batch: &Batch) -> u64 {
        self.stop_accepting();
        let mut lost = batch.entries;
        while let Ok(entry) = self.inbox.try_recv() {
            lost += u64::from(!matches!(entry, Entry::Flush { .. }));
        }
        lost
    }

    async fn finish(self) -> Result<(), StoreError> {
        let Self {
            database,
            connection,
            lock,
            ..
        } = self;
        if let Some(mut connection) = connection {
            // A reader may be in the way. The log stays then, and is as good as the file.
            if let Err(error) = database.checkpoint(&mut connection).await {
                tracing::debug!("the write-ahead log stays: {}", error.in_full());
            }
            let closed = connection.close().await;
            closed.map_err(|source| StoreError::of_database(database.path(), source))?;
        }
        drop(lock);
        Ok(())
    }
}

/// Ends when the spool is being closed, or was dropped.
async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error says that the sender is gone, which means the same.
    let _ = closing.wait_for(|closing| *closing).await;
}

async fn position_of(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Position, sqlx::Error> {
    sqlx::query("INSERT OR IGNORE INTO client (name) VALUES (?)")
        .bind(name)
        .execute(&mut *connection)
        .await?;
    let (id, last_seq) = sqlx::query_as("SELECT id, last_seq FROM client WHERE name = ?")
        .bind(name)
        .fetch_one(connection)
        .await?;
    Ok(Position { id, last_seq })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
