//! Cuts a stream into the messages of PostgreSQL's protocol, version 3.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::{io::AsyncReadExt as _, net::tcp::OwnedReadHalf};

/// Begins a connection: such a message has no letter.
pub(super) const STARTUP: u8 = b'^';

// What may come in place of the startup message, <https://www.postgresql.org/docs/15/protocol-message-formats.html>.
const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_ENCRYPTION_REQUEST: u32 = 80_877_104;

/// What is read ahead at most while nothing passes.
const MOST_AHEAD: usize = 64 << 20;

/// One side's messages.
pub(super) struct Messages {
    stream: OwnedReadHalf,
    buffer: BytesMut,
    has_ended: bool,
}

/// A message with its letter and length, or one without a letter.
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) bytes: Bytes,
}

impl Message {
    /// Whether a program asks for encryption before it begins.
    pub(super) fn asks_for_encryption(&self) -> bool {
        self.kind == STARTUP && matches!(self.code(), SSL_REQUEST | GSS_ENCRYPTION_REQUEST)
    }

    /// Whether this is all that comes on this connection: it ends the statement of another one.
    pub(super) fn cancels(&self) -> bool {
        self.kind == STARTUP && self.code() == CANCEL_REQUEST
    }

    /// The protocol's version, or what is asked for.
    fn code(&self) -> u32 {
        self.bytes.get(4..8).map_or(0, |mut code| code.get_u32())
    }
}

impl Messages {
    pub(super) fn new(stream: OwnedReadHalf) -> Self {
        Self {
            stream,
            buffer: BytesMut::with_capacity(64 << 10),
            has_ended: false,
        }
    }

    /// The next message that has a letter; none at the end.
    pub(super) async fn next(&mut self) -> io::Result<Option<Message>> {
        self.read(true).await
    }

    /// The next message of a connection that has not begun; none at the end.
    pub(super) async fn next_startup(&mut self) -> io::Result<Option<Message>> {
        self.read(false).await
    }

    async fn read(&mut self, has_letter: bool) -> io::Result<Option<Message>> {
        let letter = usize::from(has_letter);
        loop {
            if let Some(mut length) = self.buffer.get(letter..letter + 4) {
                // The length counts itself.
                let length = letter + usize::try_from(length.get_u32()).unwrap_or(usize::MAX);
                if self.buffer.len() >= length {
                    let bytes = self.buffer.split_to(length).freeze();
                    let kind = if has_letter { bytes[0] } else { STARTUP };
                    return Ok(Some(Message { kind, bytes }));
                }
            }
            if self.has_ended || !self.read_more().await? {
                return Ok(None);
            }
        }
    }

    /// Waits for the end, while nothing passes. What comes meanwhile is kept.
    pub(super) async fn end(&mut self) {
        while self.buffer.len() < MOST_AHEAD {
            if !matches!(self.read_more().await, Ok(true)) {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    async fn read_more(&mut self) -> io::Result<bool> {
        self.has_ended = self.stream.read_buf(&mut self.buffer).await? == 0;
        Ok(!self.has_ended)
    }
}
