//! The loop: read, send, forget, and wait out whatever is in the way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, Cursor};
use super::outbox::{Client, Outbox};
use super::send::Sender;
use crate::postgres::copy::dated;
use crate::postgres::{Database, PostgresError};
use crate::{SpoolStatus, StoreError};

/// What can be tuned. The defaults are right for a collector.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ShipOptions {
    /// Records of the first transaction, and of each after a failure.
    pub min_records: i64,
    /// The most records of a transaction.
    pub max_records: i64,
    /// A transaction that takes longer halves the next, one that takes half of it doubles it.
    pub target: Duration,
    /// How long it is waited for more records when there are few.
    pub linger: Duration,
    /// The wait after a failure; doubles up to `retry_max`.
    pub retry_min: Duration,
    /// The longest wait after a failure.
    pub retry_max: Duration,
    /// How long a transaction may take before the connection is given up. Something small is waited for 20 seconds at
    /// most.
    pub patience: Duration,
    /// How long shipping goes on after the end of collection. What is left then stays in the spool.
    pub drain: Duration,
}

impl Default for ShipOptions {
    fn default() -> Self {
        Self {
            min_records: 1_000,
            max_records: 32_000,
            target: Duration::from_millis(500),
            linger: Duration::from_secs(1),
            retry_min: Duration::from_millis(500),
            retry_max: Duration::from_secs(30),
            patience: Duration::from_mins(2),
            drain: Duration::from_secs(10),
        }
    }
}

/// How shipping is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShipStatus {
    /// Records that the database does not have yet, as far as is known.
    pub waiting: u64,
    /// Records that this process has brought.
    pub shipped: u64,
    /// Records of the last transaction.
    pub last_batch_records: u64,
    /// How long it took, in milliseconds.
    pub last_batch_ms: u64,
    /// Failures since the start.
    pub failures: u64,
    /// Why nothing gets there at the moment, and what to do.
    pub trouble: Option<String>,
}

/// Why nothing gets there.
#[derive(Debug, thiserror::Error)]
enum ShipError {
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "the database has {there} records of `{client}` from this spool, which has only made {here}; \
         stop, move the spool aside and start again: it was put back to an older state"
    )]
    WentBack {
        client: String,
        here: i64,
        there: i64,
    },
    #[error(
        "the database has another record number {seq} of `{client}` than this spool; stop, move the spool aside and \
         start again: it was put back to an older state, or there are two of it"
    )]
    Another { client: String, seq: i64 },
}

impl ShipError {
    fn in_full(&self) -> String {
        match self {
            Self::Postgres(error) => error.in_full(),
            Self::Store(error) => error.in_full(),
            Self::WentBack { .. } | Self::Another { .. } => self.to_string(),
        }
    }
}

/// Ships a spool that this process has open.
#[derive(Debug)]
pub struct Shipper {
    dir: PathBuf,
    database: Database,
    options: ShipOptions,
    status: watch::Sender<ShipStatus>,
}

/// Where the shipper stands.
struct Position {
    /// By the client's number in the spool.
    cursors: BTreeMap<i64, Cursor>,
    /// The last ids of the spool that the database has.
    after: (i64, i64),
    /// Records of the next transaction.
    size: i64,
}

impl Shipper {
    /// From the spool in `dir` to `database`. Nothing is connected to yet.
    pub fn new(dir: &Path, database: Database, options: ShipOptions) -> Self {
        Self {
            dir: dir.to_owned(),
            database: database.with_patience(options.patience),
            options,
            status: watch::Sender::default(),
        }
    }

    /// How shipping is doing, renewed with every transaction and every failure.
    pub fn status(&self) -> watch::Receiver<ShipStatus> {
        self.status.subscribe()
    }

    /// Ships until it is stopped and everything is shipped, or [`ShipOptions::drain`] has passed since.
    pub async fn run(self, spool: watch::Receiver<SpoolStatus>, stop: CancellationToken) {
        let patience = async {
            stop.cancelled().await;
            sleep(self.options.drain).await;
        };
        tokio::select! {
            () = self.ship_all(spool, &stop) => {}
            () = patience => {}
        }
        let waiting = self.status.borrow().waiting;
        if waiting > 0 {
            tracing::warn!(waiting, "records stay in the spool until the next start");
        }
    }

    async fn ship_all(&self, mut spool: watch::Receiver<SpoolStatus>, stop: &CancellationToken) {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(self.options.retry_min)
            .with_max_delay(self.options.retry_max)
            .without_max_times()
            .with_jitter();
        let mut waits = backoff.build();
        loop {
            let before = self.status.borrow().shipped;
            let Err(error) = self.ship(&mut spool, stop).await else {
                return;
            };
            self.tell(&error);
            if self.status.borrow().shipped > before {
                waits = backoff.build();
            }
            let wait = waits.next().unwrap_or(self.options.retry_max);
            tokio::select! {
                () = sleep(wait) => {}
                // One more try, then the end.
                () = stop.cancelled(), if !stop.is_cancelled() => {}
            }
        }
    }

    /// Ships as long as one connection lives, or to the end.
    async fn ship(
        &self,
        spool: &mut watch::Receiver<SpoolStatus>,
        stop: &CancellationToken,
    ) -> Result<(), ShipError> {
        let mut outbox = Outbox::open(&self.dir).await?;
        // As long as there is no connection, nobody else counts them.
        self.waits(outbox.held().await?);
        let mut sender = Sender::connect(&self.database, self.options.patience).await?;
        loop {
            let clients = outbox.clients().await?;
            let cursors = sender.register(&outbox.id().await?, &clients).await?;
            self.has_new_client(&clients, &cursors)?;
            knows_each_other(&mut outbox, &clients, &cursors).await?;
            let mut position = Position {
                cursors,
                after: (0, 0),
                size: self.options.min_records,
            };
            if self
                .follow(&mut outbox, &mut sender, &mut position, spool, stop)
                .await?
            {
                sender.close().await;
                return Ok(());
            }
        }
    }

    /// Ships batch after batch. True at the end; false when it must be asked again who stands where.
    async fn follow(
        &self,
        outbox: &mut Outbox,
        sender: &mut Sender,
        position: &mut Position,
        spool: &mut watch::Receiver<SpoolStatus>,
        stop: &CancellationToken,
    ) -> Result<bool, ShipError> {
        // Whether the spool was closed before it was read: nothing can come after that.
        let mut ending = stop.is_cancelled();
        let mut batch = position.read(outbox).await?;
        loop {
            if batch.is_empty() {
                let seen = (batch.last_search, batch.last_event);
                if seen != position.after {
                    // An earlier connection brought them and could not tell us.
                    position.forget(outbox, seen).await;
                } else if self.has_new_client(&outbox.clients().await?, &position.cursors)? {
                    return Ok(false);
                } else if ending {
                    return Ok(true);
                } else {
                    self.is_well();
                    self.idle(spool, stop).await;
                }
            } else {
                let Some(next) = self.exchange(outbox, sender, position, batch).await? else {
                    return Ok(false);
                };
                if next.records >= self.options.min_records.unsigned_abs() || stop.is_cancelled() {
                    batch = next;
                    ending = false;
                    continue;
                }
                tokio::select! {
                    () = sleep(self.options.linger) => {}
                    () = stop.cancelled() => {}
                }
            }
            ending = stop.is_cancelled();
            batch = position.read(outbox).await?;
        }
    }

    /// Sends a batch and reads the next meanwhile. None when the database stands elsewhere.
    async fn exchange(
        &self,
        outbox: &mut Outbox,
        sender: &mut Sender,
        position: &mut Position,
        batch: Batch,
    ) -> Result<Option<Batch>, ShipError> {
        let began = Instant::now();
        let through = (batch.last_search, batch.last_event);
        let records = batch.records;
        let mut cursors = position.cursors.clone();
        for (client, step) in &batch.steps {
            if step.missing > 0 {
                tracing::error!(client, missing = step.missing, "the spool has lost records");
            }
            cursors.insert(*client, step.to);
        }
        let (sent, next) = tokio::join!(
            sender.send(batch),
            outbox.read(through, position.size, &cursors)
        );
        if !sent? {
            return Ok(None);
        }
        position.cursors = cursors;
        let took = began.elapsed();
        position.forget(outbox, through).await;
        position.adapt(took, &self.options);
        self.is_well();
        self.status.send_modify(|status| {
            status.shipped += records;
            status.waiting = status.waiting.saturating_sub(records);
            status.last_batch_records = records;
            status.last_batch_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        });
        self.has_new_client(&outbox.clients().await?, &position.cursors)?;
        Ok(Some(next?))
    }

    /// Waits for the spool to grow.
    async fn idle(&self, spool: &mut watch::Receiver<SpoolStatus>, stop: &CancellationToken) {
        tokio::select! {
            changed = spool.changed() => {
                if changed.is_err() {
                    // The spool is closed; only its end is waited for.
                    sleep(self.options.linger).await;
                }
            }
            // New lines of the journal do not change the status.
            () = sleep(self.options.linger) => {}
            () = stop.cancelled() => {}
        }
    }

    /// Whether somebody writes whom the database does not know. Counts what it does not have, too.
    fn has_new_client(
        &self,
        clients: &[Client],
        cursors: &BTreeMap<i64, Cursor>,
    ) -> Result<bool, ShipError> {
        let mut waiting = 0;
        for client in clients {
            let there = cursors.get(&client.id).map_or(0, |cursor| cursor.last_seq);
            if there > client.last_seq {
                return Err(ShipError::WentBack {
                    client: client.name.clone(),
                    here: client.last_seq,
                    there,
                });
            }
            waiting += (client.last_seq - there).unsigned_abs();
        }
        self.waits(waiting);
        let known = |client: &Client| cursors.contains_key(&client.id);
        Ok(!clients.iter().all(known))
    }

    fn waits(&self, waiting: u64) {
        self.status
            .send_if_modified(|status| std::mem::replace(&mut status.waiting, waiting) != waiting);
    }

    /// The end of trouble.
    fn is_well(&self) {
        self.status.send_if_modified(|status| {
            let ends = status.trouble.take().is_some();
            if ends {
                tracing::info!(waiting = status.waiting, "the database takes records again");
            }
            ends
        });
    }

    /// Once for each kind of trouble.
    fn tell(&self, error: &ShipError) {
        let trouble = error.in_full();
        self.status.send_modify(|status| {
            status.failures += 1;
            if status.trouble.as_ref() != Some(&trouble) {
                tracing::warn!(
                    waiting = status.waiting,
                    "records wait in the spool: {trouble}"
                );
                status.trouble = Some(trouble);
            }
        });
    }
}

/// Whether the last record that the database has is the one that the spool has under this number. A spool that was put
/// back to an older state gives numbers out again, and what bears them would pass for what the database has.
async fn knows_each_other(
    outbox: &mut Outbox,
    clients: &[Client],
    cursors: &BTreeMap<i64, Cursor>,
) -> Result<(), ShipError> {
    for client in clients {
        let Some(Cursor {
            last_seq,
            last_at: Some(last_at),
            ..
        }) = cursors.get(&client.id).copied()
        else {
            continue;
        };
        match outbox.first_from(client.id, last_seq).await? {
            Some((seq, at)) if seq == last_seq && dated(at) != last_at => {
                return Err(ShipError::Another {
                    client: client.name.clone(),
                    seq,
                });
            }
            _ => {}
        }
    }
    Ok(())
}

impl Position {
    async fn read(&self, outbox: &mut Outbox) -> Result<Batch, StoreError> {
        outbox.read(self.after, self.size, &self.cursors).await
    }

    /// A spool that cannot forget grows; it is tried again with the next batch.
    async fn forget(&mut self, outbox: &mut Outbox, through: (i64, i64)) {
        self.after = through;
        if let Err(error) = outbox.forget(through).await {
            tracing::warn!("shipped records stay in the spool: {}", error.in_full());
        }
    }

    fn adapt(&mut self, took: Duration, options: &ShipOptions) {
        if took > options.target {
            self.size = (self.size / 2).max(options.min_records);
        } else if took < options.target / 2 {
            self.size = (self.size * 2).min(options.max_records);
        }
    }
}
