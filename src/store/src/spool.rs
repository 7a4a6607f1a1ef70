//! Opening and closing the spool.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::client::{Shared, SpoolClient};
use crate::database::{self, DATABASE_FILE, Database};
use crate::status::SpoolStatus;
use crate::writer::{Register, Writer};
use crate::{StoreError, batch};

/// What can be tuned. The defaults are right for a collector.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SpoolOptions {
    /// How long a commit waits for more records after its first.
    pub linger: Duration,
    /// The most entries of one commit.
    pub batch_entries: usize,
    /// The most entries that wait for the writer, beside those in the commit in progress.
    pub queue_entries: usize,
    /// The most memory of all entries that are not durable yet, in bytes.
    pub queue_bytes: u32,
    /// How long to wait before writing is tried again after a failure.
    pub retry: Duration,
    /// How long [`Spool::close`] goes on trying when the disk does not take what is left.
    pub close_patience: Duration,
    #[cfg(test)]
    pub(crate) faults: crate::tests::Faults,
}

impl Default for SpoolOptions {
    fn default() -> Self {
        Self {
            linger: Duration::from_millis(10),
            batch_entries: 4096,
            queue_entries: 4096,
            queue_bytes: 4 << 20,
            retry: Duration::from_secs(1),
            close_patience: Duration::from_secs(10),
            #[cfg(test)]
            faults: crate::tests::Faults::default(),
        }
    }
}

/// The durable local spool of all collectors of this process.
///
/// Dropping it without [`Spool::close`] lets the writer drain in the background, as long as the runtime lives.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    shared: Arc<Shared>,
    register: mpsc::Sender<Register>,
    status: watch::Receiver<SpoolStatus>,
    closing: watch::Sender<bool>,
    writer: JoinHandle<Result<(), StoreError>>,
}

impl Spool {
    /// Opens the spool in `dir`, makes it if there is none, and keeps every other process out until it is closed.
    pub async fn open(dir: &Path, options: SpoolOptions) -> Result<Self, StoreError> {
        database::make_directory(dir)?;
        let lock = database::lock(dir)?;
        let database = Database::new(dir);
        #[cfg(test)]
        let database = database.with_faults(options.faults.clone());
        let mut connection = database.create().await?;
        let last_event = batch::last_event(&mut connection)
            .await
            .map_err(|source| StoreError::of_database(database.path(), source))?;

        let (queue, inbox) = mpsc::channel(options.queue_entries);
        let (register, registrations) = mpsc::channel(1);
        let (closing, closed) = watch::channel(false);
        let (publish, status) = watch::channel(SpoolStatus::default());
        let budget = Arc::new(Semaphore::new(options.queue_bytes as usize));
        let hurry = Arc::new(Notify::new());
        let shared = Arc::new(Shared {
            queue,
            budget: Arc::clone(&budget),
            largest: options.queue_bytes,
            hurry: Arc::clone(&hurry),
        });
        let writer = Writer {
            state: batch::State {
                clients: Vec::new(),
                last_event,
            },
            database,
            connection: Some(connection),
            options,
            clients: Vec::new(),
            inbox,
            registrations,
            budget,
            hurry,
            closing: closed,
            status: publish,
            lock,
        };
        Ok(Self {
            path: dir.join(DATABASE_FILE),
            shared,
            register,
            status,
            closing,
            writer: tokio::spawn(writer.run()),
        })
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The handle through which the collector `name` writes. Waits while the disk does not take records.
    pub async fn client(&self, name: &str) -> Result<SpoolClient, StoreError> {
        let (done, registered) = oneshot::channel();
        let request = Register {
            name: name.to_owned(),
            done,
        };
        self.register
            .send(request)
            .await
            .map_err(|_| StoreError::Closed)?;
        let registered = registered.await.map_err(|_| StoreError::Closed)??;
        Ok(SpoolClient::new(Arc::clone(&self.shared), registered))
    }

    /// How the spool is doing; renewed with every commit, not with every record.
    pub fn status(&self) -> watch::Receiver<SpoolStatus> {
        self.status.clone()
    }

    /// Writes everything that was accepted, folds the write-ahead log into the file and lets others in.
    ///
    /// When the disk does not take it within [`SpoolOptions::close_patience`], says how much is lost.
    pub async fn close(self) -> Result<(), StoreError> {
        self.shared.budget.close();
        self.closing.send_replace(true);
        self.writer.await.map_err(|_| StoreError::Closed)?
    }
}
