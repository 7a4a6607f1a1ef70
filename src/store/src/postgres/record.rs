//! A record as a row of `soulseek.search`, for everyone who brings records there.

use super::copy::Rows;
use super::packed::{Username, origin};

/// The columns of a record, in the order of [`PackedRecord::write`].
pub(crate) const COLUMNS: &str =
    "seq, received_at, token, client, origin, username, query, query_raw";

/// What a row is made of.
#[derive(Debug)]
pub(crate) struct PackedRecord<'a> {
    pub(crate) seq: i64,
    /// Microseconds since 1970.
    pub(crate) received_at: i64,
    pub(crate) token: u32,
    /// Source and canary, as the spool has them.
    pub(crate) source: i64,
    pub(crate) branch_level: i64,
    pub(crate) username: &'a str,
    pub(crate) query: &'a str,
    pub(crate) query_raw: Option<&'a [u8]>,
}

impl PackedRecord<'_> {
    /// Adds the row of a client.
    pub(crate) fn write(&self, rows: &mut Rows, client: i32) {
        let username = Username::pack(self.username);
        rows.row(8);
        rows.i64(self.seq);
        rows.time(self.received_at);
        // The bits of an unsigned number.
        rows.i32(self.token.cast_signed());
        rows.i32(client);
        rows.i16(origin(self.source, username.is_text, self.branch_level));
        rows.bytes(&username.bytes);
        rows.text(self.query);
        match self.query_raw {
            Some(raw) => rows.bytes(raw),
            None => rows.null(),
        }
    }
}
