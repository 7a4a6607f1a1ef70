//! What is known of a file's rows when it is written.

use std::collections::BTreeMap;

use super::Digest;
use crate::Row;

/// What is known of a file's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) records: u64,
    pub(crate) digest: Digest,
    /// Microseconds since 1970.
    pub(crate) first_received_at: Option<i64>,
    pub(crate) last_received_at: Option<i64>,
    /// By region and spool.
    pub(crate) clients: BTreeMap<(String, String), ClientSummary>,
}

/// What is known of the rows of one region and spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientSummary {
    pub(crate) records: u64,
    pub(crate) first_seq: i64,
    pub(crate) last_seq: i64,
}

impl Summary {
    pub(crate) fn add(&mut self, row: &Row) {
        self.records += 1;
        self.digest.add(row);
        let at = row.received_at;
        self.first_received_at = Some(self.first_received_at.map_or(at, |first| first.min(at)));
        self.last_received_at = Some(self.last_received_at.map_or(at, |last| last.max(at)));
        let key = (row.client_id.to_string(), row.spool.to_string());
        let client = self.clients.entry(key).or_insert(ClientSummary {
            records: 0,
            first_seq: row.seq,
            last_seq: row.seq,
        });
        client.records += 1;
        client.first_seq = client.first_seq.min(row.seq);
        client.last_seq = client.last_seq.max(row.seq);
    }
}
