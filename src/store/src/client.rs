//! The handle through which one collector writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

use crate::batch::{ENTRY_COST, Entry};
use crate::{Record, SpoolClosed};

/// What all clients of a spool share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) queue: mpsc::Sender<Entry>,
    /// Bytes of memory that entries may still take.
    pub(crate) budget: Arc<Semaphore>,
    /// All of the budget: what one entry takes at most, so that none waits for ever.
    pub(crate) largest: u32,
    /// Ends the linger of the writer.
    pub(crate) hurry: Arc<Notify>,
}

/// What the writer knows a client by.
#[derive(Clone, Debug)]
pub(crate) struct Registered {
    pub(crate) index: usize,
    pub(crate) durable: Arc<AtomicU64>,
}

/// The handle through which one collector writes. Clones write as the same collector.
#[derive(Clone, Debug)]
pub struct SpoolClient {
    shared: Arc<Shared>,
    registered: Registered,
}

impl SpoolClient {
    pub(crate) fn new(shared: Arc<Shared>, registered: Registered) -> Self {
        Self { shared, registered }
    }

    /// Accepts a record; waits while the memory for records is used up, so that whoever reads the network waits too.
    ///
    /// When the future is dropped before it is done, the record was not accepted.
    pub async fn append(&self, record: Record) -> Result<(), SpoolClosed> {
        let cost = self.cost(record.heap());
        self.enqueue(
            cost,
            Entry::Search {
                client: self.registered.index,
                cost,
                record,
            },
        )
        .await
    }

    /// Writes a line of the collector's journal, with the time of now; waits like [`SpoolClient::append`].
    pub async fn event(&self, kind: &'static str, detail: String) -> Result<(), SpoolClosed> {
        let cost = self.cost(detail.len());
        let at = Timestamp::now().as_microsecond();
        self.enqueue(
            cost,
            Entry::Event {
                client: self.registered.index,
                cost,
                at,
                kind,
                detail,
            },
        )
        .await
    }

    /// Waits until everything that this client appended before is on the disk; gives its last sequence number there.
    pub async fn flush(&self) -> Result<u64, SpoolClosed> {
        let (done, durable) = oneshot::channel();
        let entry = Entry::Flush {
            client: self.registered.index,
            done,
        };
        self.shared
            .queue
            .send(entry)
            .await
            .map_err(|_| SpoolClosed)?;
        self.shared.hurry.notify_one();
        durable.await.map_err(|_| SpoolClosed)
    }

    /// The last sequence number of this client that is on the disk, of this and all earlier runs.
    pub fn durable(&self) -> u64 {
        self.registered.durable.load(Ordering::Relaxed)
    }

    fn cost(&self, heap: usize) -> u32 {
        u32::try_from(ENTRY_COST + heap)
            .unwrap_or(u32::MAX)
            .min(self.shared.largest)
    }

    async fn enqueue(&self, cost: u32, entry: Entry) -> Result<(), SpoolClosed> {
        let memory = self
            .shared
            .budget
            .acquire_many(cost)
            .await
            .map_err(|_| SpoolClosed)?;
        let place = self.shared.queue.reserve().await.map_err(|_| SpoolClosed)?;
        // The writer gives the memory back after the commit.
        memory.forget();
        place.send(entry);
        Ok(())
    }
}
