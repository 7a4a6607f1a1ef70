//! A table with a header, RFC 4180.

use std::io::{self, Write};

use super::{Row, Sink, hex, rfc3339};
use crate::StoreError;

pub(super) struct CsvSink<W: Write>(csv::Writer<W>);

impl<W: Write> CsvSink<W> {
    pub(super) fn new(output: W) -> Result<Self, StoreError> {
        let mut writer = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(output);
        writer
            .write_record([
                "client_id",
                "spool",
                "seq",
                "received_at",
                "username",
                "query",
                "token",
                "source",
                "branch_level",
                "query_raw",
                "canary",
            ])
            .map_err(failed)?;
        Ok(Self(writer))
    }
}

impl<W: Write> Sink for CsvSink<W> {
    fn write(&mut self, row: &Row) -> Result<(), StoreError> {
        self.0
            .write_record([
                &*row.client_id,
                &row.spool,
                &row.seq.to_string(),
                &rfc3339(row.received_at),
                &row.username,
                &row.query,
                &row.token.to_string(),
                row.source.as_str(),
                &row.branch_level.to_string(),
                &row.query_raw.as_deref().map(hex).unwrap_or_default(),
                if row.canary { "true" } else { "false" },
            ])
            .map_err(failed)
    }

    fn finish(mut self: Box<Self>) -> Result<(), StoreError> {
        self.0.flush().map_err(StoreError::Write)
    }
}

/// What the system says, so that a closed pipe can be told from a full disk.
fn failed(error: csv::Error) -> StoreError {
    StoreError::Write(match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    })
}
