//! What was in a file, summed up while it is written or read.

use std::sync::Arc;

use super::{FileFacts, RowDigest};
use crate::Row;

/// What a writer wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Rows.
    pub records: u64,
    /// Microseconds since 1970-01-01T00:00:00Z of the earliest row; none if there are no rows.
    pub first_received_at: Option<i64>,
    /// The same of the latest row.
    pub last_received_at: Option<i64>,
    /// A line for each client and spool, sorted by these.
    pub clients: Vec<ClientSummary>,
    /// The digest of all rows in any order, see [`RowDigest`].
    pub digest: String,
    /// Size and SHA-256 of the file.
    pub file: FileFacts,
}

/// The rows of one spool of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSummary {
    /// The region that recorded them.
    pub client_id: Arc<str>,
    /// The spool that numbered them.
    pub spool: Arc<str>,
    /// Rows.
    pub records: u64,
    /// The lowest `seq`.
    pub first_seq: i64,
    /// The highest `seq`.
    pub last_seq: i64,
}

/// The sums of rows so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) records: u64,
    pub(super) digest: RowDigest,
    received_at: Option<(i64, i64)>,
    clients: Vec<ClientSummary>,
}

impl Tally {
    pub(super) fn add(&mut self, row: &Row) {
        self.records += 1;
        self.digest.add(row);
        let at = row.received_at;
        let (first, last) = self.received_at.unwrap_or((at, at));
        self.received_at = Some((first.min(at), last.max(at)));
        // There are a handful of them, so a search is quick.
        let of_row = |client: &&mut ClientSummary| {
            client.client_id == row.client_id && client.spool == row.spool
        };
        if let Some(client) = self.clients.iter_mut().find(of_row) {
            client.records += 1;
            client.first_seq = client.first_seq.min(row.seq);
            client.last_seq = client.last_seq.max(row.seq);
        } else {
            self.clients.push(ClientSummary {
                client_id: Arc::clone(&row.client_id),
                spool: Arc::clone(&row.spool),
                records: 1,
                first_seq: row.seq,
                last_seq: row.seq,
            });
        }
    }

    pub(super) fn summary(mut self, file: FileFacts) -> Summary {
        self.clients
            .sort_by(|a, b| (&a.client_id, &a.spool).cmp(&(&b.client_id, &b.spool)));
        Summary {
            records: self.records,
            first_received_at: self.received_at.map(|(first, _)| first),
            last_received_at: self.received_at.map(|(_, last)| last),
            clients: self.clients,
            digest: self.digest.to_string(),
            file,
        }
    }
}
