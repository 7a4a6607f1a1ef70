//! What identifies a set of rows, in whatever order they come.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::Row;

/// The sum of all rows' SHA-256, each cut to 128 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest(u128);

impl Digest {
    pub(crate) fn add(&mut self, row: &Row) {
        let mut hash = Sha256::new();
        for text in [&*row.client_id, &*row.spool, &row.username, &row.query] {
            hash.update(text.len().to_be_bytes());
            hash.update(text);
        }
        hash.update(row.seq.to_be_bytes());
        hash.update(row.received_at.to_be_bytes());
        hash.update(row.token.to_be_bytes());
        hash.update(row.branch_level.to_be_bytes());
        hash.update([
            u8::try_from(row.source.code()).unwrap_or_default(),
            row.canary.into(),
        ]);
        if let Some(raw) = &row.query_raw {
            hash.update(raw);
            hash.update([1]);
        }
        let hash = hash.finalize();
        let half = hash.first_chunk().copied().unwrap_or_default();
        self.0 = self.0.wrapping_add(u128::from_be_bytes(half));
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
