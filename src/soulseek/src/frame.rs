//! Frames: a `u32` length and that many bytes. The first bytes of the payload are the code, one byte
//! wide on init and distributed connections and four bytes wide on server and peer connections.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::obfuscation;

/// The longest frame that is read on an init or distributed connection, in bytes.
pub const MAX_DISTRIBUTED: usize = 16 * 1024;
/// The longest frame that is read on a peer connection, in bytes: we ask nobody for share lists.
pub const MAX_PEER: usize = 1024 * 1024;
/// The longest frame that is read from the server, in bytes: the list of all rooms is long.
pub const MAX_SERVER: usize = 16 * 1024 * 1024;

const LENGTH_BYTES: usize = 4;
/// Room that is asked for at a time. A frame's length never decides an allocation: memory grows with
/// what has arrived.
const READ_CHUNK: usize = 16 * 1024;

/// A frame longer than the connection allows. The connection cannot be used any more.
#[derive(Debug, thiserror::Error)]
#[error("a frame of {length} bytes where {limit} are allowed")]
pub struct FrameTooLong {
    /// The length that was announced.
    pub length: usize,
    /// The longest length that is allowed.
    pub limit: usize,
}

/// One frame, with its length in front, so that it can be passed on without a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// The code and the body.
    pub fn payload(&self) -> Bytes {
        self.0.slice(LENGTH_BYTES..)
    }

    /// The bytes on the wire, length included.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// A frame from the bytes on the wire, if they are exactly one frame.
    pub fn from_bytes(bytes: Bytes) -> Option<Self> {
        let mut buffer = BytesMut::from(bytes);
        let frame = split(&mut buffer, usize::MAX).ok()??;
        buffer.is_empty().then_some(frame)
    }
}

/// Builds a frame: writes the length in front of what `fill` appends.
pub fn build(fill: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    out.put_u32_le(0);
    fill(&mut out);
    let length = u32::try_from(out.len() - LENGTH_BYTES).unwrap_or(u32::MAX);
    out[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    out.freeze()
}

/// Takes one whole frame off the front of the buffer, if it is there.
pub fn split(buffer: &mut BytesMut, limit: usize) -> Result<Option<Frame>, FrameTooLong> {
    let Some(head) = buffer.first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*head) as usize;
    if length > limit {
        return Err(FrameTooLong { length, limit });
    }
    if buffer.len() < LENGTH_BYTES + length {
        return Ok(None);
    }
    Ok(Some(Frame(buffer.split_to(LENGTH_BYTES + length).freeze())))
}

/// Reads frames from one side of a connection. Bytes that arrive behind a frame stay for the next
/// call, so the limit can be changed between frames when the connection changes its type.
#[derive(Debug)]
pub struct FrameReader<R> {
    io: R,
    buffer: BytesMut,
    limit: usize,
    obfuscated: bool,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// A reader that refuses frames longer than `limit` bytes.
    pub fn new(io: R, limit: usize) -> Self {
        Self {
            io,
            buffer: BytesMut::new(),
            limit,
            obfuscated: false,
        }
    }

    /// Changes the longest frame that is allowed.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Says whether the frames that follow are obfuscated (type 1).
    pub fn set_obfuscated(&mut self, obfuscated: bool) {
        self.obfuscated = obfuscated;
    }

    /// The next frame, or `None` at the end of the stream. Can be cancelled without losing bytes.
    /// A stream that ends inside a frame is `UnexpectedEof`; a frame too long is `InvalidData`.
    pub async fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            match self.buffered() {
                Ok(Some(frame)) => return Ok(Some(frame)),
                Ok(None) => {}
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
            self.buffer.reserve(READ_CHUNK);
            if self.io.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }

    /// The next frame of those that have been read already, if a whole one is there.
    pub fn buffered(&mut self) -> Result<Option<Frame>, FrameTooLong> {
        if self.obfuscated {
            obfuscation::split(&mut self.buffer, self.limit)
        } else {
            split(&mut self.buffer, self.limit)
        }
    }

    /// Gives the connection back, with the bytes that were read too far.
    pub fn into_parts(self) -> (R, BytesMut) {
        (self.io, self.buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_out_whole_however_they_arrive() {
        let one = build(|out| out.put_slice(b"one"));
        let two = build(|out| out.put_slice(b"two!"));
        let stream = [one.clone(), two.clone()].concat();
        for cut in 0..stream.len() {
            let io = tokio_test_reader(&stream[..cut], &stream[cut..]);
            let mut reader = FrameReader::new(io, 100);
            assert_eq!(reader.next().await.unwrap().unwrap().into_bytes(), one);
            assert_eq!(reader.next().await.unwrap().unwrap().into_bytes(), two);
            assert!(reader.next().await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn a_frame_too_long_is_refused_before_its_body_arrives() {
        let mut reader = FrameReader::new(&[0xff, 0xff, 0xff, 0x7f][..], MAX_DISTRIBUTED);
        let error = reader.next().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(
            error.to_string(),
            "a frame of 2147483647 bytes where 16384 are allowed"
        );
        assert!(reader.buffer.capacity() <= 2 * READ_CHUNK);
    }

    #[tokio::test]
    async fn a_stream_that_ends_inside_a_frame_is_an_error() {
        let mut reader = FrameReader::new(&[3, 0, 0, 0, 1][..], MAX_DISTRIBUTED);
        assert_eq!(
            reader.next().await.unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }

    fn tokio_test_reader<'a>(first: &'a [u8], second: &'a [u8]) -> impl AsyncRead + Unpin + 'a {
        first.chain(second)
    }
}
