//! Type 1 obfuscation ("rotated"): each message starts with a random key of four bytes; every word
//! of the plain message is combined with the key, which is rotated right by 31 bits before each word.
//! It hides nothing from anyone who reads this; some clients prefer it to plain peer connections.

use bytes::{BufMut, Bytes, BytesMut};

use crate::frame::{self, Frame, FrameTooLong};

const KEY_BYTES: usize = 4;
const LENGTH_BYTES: usize = 4;

/// Combines `data` with the key sequence, in place. The same call turns it back.
fn apply(key: u32, data: &mut [u8]) {
    let mut key = key;
    for word in data.chunks_mut(4) {
        key = key.rotate_right(31);
        for (byte, mask) in word.iter_mut().zip(key.to_le_bytes()) {
            *byte ^= mask;
        }
    }
}

/// The message as it goes over the wire, with the key in front.
pub fn encode(key: u32, plain: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(KEY_BYTES + plain.len());
    out.put_u32_le(key);
    out.put_slice(plain);
    apply(key, &mut out[KEY_BYTES..]);
    out.freeze()
}

/// Takes one whole obfuscated frame off the front of the buffer, if it is there.
pub fn split(buffer: &mut BytesMut, limit: usize) -> Result<Option<Frame>, FrameTooLong> {
    let Some(head) = buffer.first_chunk::<{ KEY_BYTES + LENGTH_BYTES }>() else {
        return Ok(None);
    };
    let mut head = *head;
    let (key, length) = head.split_at_mut(KEY_BYTES);
    let key = u32::from_le_bytes([key[0], key[1], key[2], key[3]]);
    apply(key, length);
    let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
    if length > limit {
        return Err(FrameTooLong { length, limit });
    }
    let whole = KEY_BYTES + LENGTH_BYTES + length;
    if buffer.len() < whole {
        return Ok(None);
    }
    let mut message = buffer.split_to(whole).split_off(KEY_BYTES);
    apply(key, &mut message);
    frame::split(&mut message, limit)
}
