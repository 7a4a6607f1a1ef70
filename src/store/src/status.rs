//! How the spool is doing, for a progress line, metrics and readiness.

/// A picture of the spool, renewed with every commit and every failed attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpoolStatus {
    /// Records and events that were accepted and are not on the disk yet.
    pub pending: u64,
    /// Records that this process made durable, of all clients.
    pub committed: u64,
    /// Records in the last commit.
    pub last_commit_records: u64,
    /// How long the last commit took, in milliseconds.
    pub last_commit_ms: u64,
    /// Why nothing can be written at the moment: what is wrong, with the path, and what to do.
    pub stalled: Option<String>,
}
