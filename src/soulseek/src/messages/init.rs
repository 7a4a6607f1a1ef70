//! The first frame of every connection between two peers. Codes are one byte wide.

use bytes::BytesMut;

use crate::wire::{DecodeError, Reader, Text, Wire, messages};

/// What a peer connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionType {
    /// `P`: messages between two users.
    Peer,
    /// `F`: one file.
    File,
    /// `D`: the distributed search tree.
    Distributed,
}

impl ConnectionType {
    const fn letter(self) -> u8 {
        match self {
            Self::Peer => b'P',
            Self::File => b'F',
            Self::Distributed => b'D',
        }
    }
}

/// A string of one letter.
impl Wire for ConnectionType {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let text = Text::read(reader)?;
        match text.as_bytes() {
            b"P" => Ok(Self::Peer),
            b"F" => Ok(Self::File),
            b"D" => Ok(Self::Distributed),
            other => Err(DecodeError::Value {
                field: "connection type",
                value: other.first().copied().unwrap_or_default().into(),
            }),
        }
    }

    fn write(&self, out: &mut BytesMut) {
        Text::from(vec![self.letter()]).write(out);
    }
}

messages! {
    /// A message that opens a peer connection.
    pub enum InitMessage: u8 {
        /// The answer to a [`ConnectToPeer`](super::server::ConnectToPeer): only the token that came
        /// with it, so its receiver looks up whom and what it asked for.
        0u8 => PierceFirewall(token: u32),
        /// A connection that its sender opened of its own accord.
        1u8 => PeerInit(body: PeerInit),
    }
}

/// Who connects, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInit {
    /// The sender's name.
    pub username: Text,
    /// What the connection is for.
    pub connection_type: ConnectionType,
    /// Zero today. Some clients send eight bytes: the upper half is ignored.
    pub token: u32,
}

impl Wire for PeerInit {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            username: Wire::read(reader)?,
            connection_type: Wire::read(reader)?,
            token: Wire::read(reader)?,
        })
    }

    fn write(&self, out: &mut BytesMut) {
        self.username.write(out);
        self.connection_type.write(out);
        self.token.write(out);
    }
}
