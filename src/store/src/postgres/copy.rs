//! Rows in the binary form of COPY, <https://www.postgresql.org/docs/15/sql-copy.html#id-1.9.3.55.9.4>.

use std::time::Duration;

/// For the end of a connection.
pub(super) const GOODBYE: Duration = Duration::from_secs(2);

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: i16 = -1;

/// 2000-01-01T00:00:00Z in microseconds since 1970: PostgreSQL's zero.
const EPOCH: i64 = 946_684_800_000_000;
/// 0001-01-01 and the end of 9999 in microseconds since 1970. A clock beyond them has no date that people could read.
const FIRST: i64 = -62_135_596_800_000_000;
const LAST: i64 = 253_402_300_799_999_999;

/// Microseconds since 1970 that have a date: what lies beyond the years 1 to 9999 becomes their end.
pub(crate) fn dated(micros: i64) -> i64 {
    micros.clamp(FIRST, LAST)
}

/// Rows for `COPY ... FROM STDIN (FORMAT binary)`.
#[derive(Debug)]
pub(crate) struct Rows(Vec<u8>);

impl Rows {
    pub(crate) fn new() -> Self {
        Self(HEADER.to_vec())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() == HEADER.len()
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// All of it, with its end.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.extend(TRAILER.to_be_bytes());
        self.0
    }

    /// Begins a row of so many fields.
    pub(crate) fn row(&mut self, fields: i16) {
        self.0.extend(fields.to_be_bytes());
    }

    pub(crate) fn i16(&mut self, value: i16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.bytes(&value.to_be_bytes());
    }

    /// Microseconds since 1970 as a `timestamptz`.
    pub(crate) fn time(&mut self, micros: i64) {
        self.i64(dated(micros) - EPOCH);
    }

    /// A text or bytes; at most 2 GiB, which no record reaches.
    pub(crate) fn bytes(&mut self, value: &[u8]) {
        let length = i32::try_from(value.len()).unwrap_or(i32::MAX);
        self.0.extend(length.to_be_bytes());
        self.0.extend(&value[..length as usize]);
    }

    pub(crate) fn null(&mut self) {
        self.0.extend((-1_i32).to_be_bytes());
    }
}
