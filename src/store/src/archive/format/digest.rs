//! A digest of rows in any order, to tell whether two places hold the same rows.
//!
//! For each row, the first 16 bytes of SHA-256 over its fields are read as a big-endian number; the digest is the sum of
//! these modulo 2^128, in hexadecimal. The fields, integers little-endian and texts behind their length in bytes (8 bytes):
//! `client_id`, `spool`, `seq` (8 bytes), `received_at` (8 bytes, microseconds), `username`, `query`, `query_raw` (empty if
//! there is none), `token` (4 bytes), `source` as its word, `branch_level` (4 bytes), `canary` (1 byte).
//!
//! It finds damage and mistakes. Against somebody who makes up rows on purpose, a sum is no protection.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::Row;

/// The digest of the rows that were added so far.
#[derive(Clone, Debug, Default)]
pub struct RowDigest {
    sum: u128,
    /// The fields of one row, kept for its memory.
    fields: Vec<u8>,
}

impl RowDigest {
    /// Adds a row.
    pub fn add(&mut self, row: &Row) {
        let Row {
            client_id,
            spool,
            seq,
            received_at,
            username,
            query,
            query_raw,
            token,
            source,
            branch_level,
            canary,
        } = row;
        self.fields.clear();
        self.text(client_id.as_bytes());
        self.text(spool.as_bytes());
        self.fields.extend_from_slice(&seq.to_le_bytes());
        self.fields.extend_from_slice(&received_at.to_le_bytes());
        self.text(username.as_bytes());
        self.text(query.as_bytes());
        self.text(query_raw.as_deref().unwrap_or_default());
        self.fields.extend_from_slice(&token.to_le_bytes());
        self.text(source.as_str().as_bytes());
        self.fields.extend_from_slice(&branch_level.to_le_bytes());
        self.fields.push(u8::from(*canary));
        let hash = Sha256::digest(&self.fields);
        let number = hash.first_chunk().copied().map(u128::from_be_bytes);
        self.sum = self.sum.wrapping_add(number.unwrap_or_default());
    }

    fn text(&mut self, bytes: &[u8]) {
        self.fields
            .extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.fields.extend_from_slice(bytes);
    }
}

impl PartialEq for RowDigest {
    fn eq(&self, other: &Self) -> bool {
        self.sum == other.sum
    }
}

impl Eq for RowDigest {}

/// 32 hexadecimal digits.
impl fmt::Display for RowDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.sum)
    }
}
