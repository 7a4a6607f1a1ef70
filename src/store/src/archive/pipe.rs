//! From code that writes bytes to somebody who takes them elsewhere.

use std::io::{self, Write};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

/// Pieces of this size travel.
const PIECE: usize = 1 << 20;

/// Hands what is written over in pieces; waits while too many are on their way. Not for async code.
#[derive(Debug)]
pub(super) struct PipeWriter {
    piece: BytesMut,
    to: mpsc::Sender<Bytes>,
}

impl PipeWriter {
    pub(super) fn new(to: mpsc::Sender<Bytes>) -> Self {
        Self {
            piece: BytesMut::new(),
            to,
        }
    }
}

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = self.piece.split().freeze();
        if piece.is_empty() {
            return Ok(());
        }
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody takes the file");
        self.to.blocking_send(piece).map_err(gone)
    }
}
