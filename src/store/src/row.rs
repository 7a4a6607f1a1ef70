//! One search as archive and report read it, from whatever store it comes.

use std::sync::Arc;

use crate::Source;

/// Of days without leap seconds, as `received_at` counts them.
pub(crate) const MICROS_A_DAY: i64 = 86_400_000_000;

/// One search as it stands in a store. (`client_id`, `spool`, `seq`) names it for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The region that recorded it.
    pub client_id: Arc<str>,
    /// The spool that numbered it: 32 hexadecimal digits, another for each spool that a region ever had.
    pub spool: Arc<str>,
    /// 1, 2, 3, … for each `client_id` and spool, without gaps.
    pub seq: i64,
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub received_at: i64,
    /// The pseudonym of who searched.
    pub username: String,
    /// What was searched for; never holds U+0000.
    pub query: String,
    /// The bytes as received, only where `query` could not keep them.
    pub query_raw: Option<Vec<u8>>,
    /// The number that the searcher gave to the search.
    pub token: u32,
    /// The way it came.
    pub source: Source,
    /// The collector's level in the branch: 0 is a branch root.
    pub branch_level: u32,
    /// Whether the fleet itself sent it, to measure what a branch hears.
    pub canary: bool,
}

impl Row {
    /// What the tables keep of the way it came: the source, and bit 2 for a canary.
    pub(crate) fn origin(&self) -> i64 {
        crate::record::origin(self.source, self.canary)
    }
}
