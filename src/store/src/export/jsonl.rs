//! A JSON object a line.

use std::io::{BufWriter, Write};

use serde::Serialize;

use super::{Row, Sink, hex, rfc3339};
use crate::StoreError;

/// The keys are an interface: programs outside read them.
#[derive(Serialize)]
struct Line<'r> {
    client_id: &'r str,
    spool: &'r str,
    seq: i64,
    received_at: String,
    username: &'r str,
    query: &'r str,
    token: u32,
    source: &'r str,
    branch_level: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_raw: Option<String>,
    /// Only where it is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    canary: Option<bool>,
}

pub(super) struct JsonlSink<W: Write>(BufWriter<W>);

impl<W: Write> JsonlSink<W> {
    pub(super) fn new(output: W) -> Self {
        Self(BufWriter::with_capacity(64 << 10, output))
    }
}

impl<W: Write> Sink for JsonlSink<W> {
    fn write(&mut self, row: &Row) -> Result<(), StoreError> {
        let line = Line {
            client_id: &row.client_id,
            spool: &row.spool,
            seq: row.seq,
            received_at: rfc3339(row.received_at),
            username: &row.username,
            query: &row.query,
            token: row.token,
            source: row.source.as_str(),
            branch_level: row.branch_level,
            query_raw: row.query_raw.as_deref().map(hex),
            canary: row.canary.then_some(true),
        };
        serde_json::to_writer(&mut self.0, &line)
            .map_err(|error| StoreError::Write(error.into()))?;
        self.0.write_all(b"\n").map_err(StoreError::Write)
    }

    fn finish(mut self: Box<Self>) -> Result<(), StoreError> {
        self.0.flush().map_err(StoreError::Write)
    }
}
