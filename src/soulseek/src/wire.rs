//! The primitive types of the protocol and the two halves of the codec: [`Reader`] and [`Wire::write`].
//!
//! All integers are little-endian. A string is a `u32` byte count and the bytes. A list is a `u32`
//! count and the items. Source: the protocol documents of Nicotine+ and aioslsk, which agree here.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv4Addr;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// A frame that does not hold what its code promises. Only this frame is lost: the length in front
/// of it keeps the stream in step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A field runs past the end of the frame.
    #[error("{wanted} bytes wanted where the frame has {left} left")]
    Truncated {
        /// Bytes that the field needs.
        wanted: usize,
        /// Bytes that were left.
        left: usize,
    },
    /// The zlib stream is broken, or it inflates to more than is allowed.
    #[error("the compressed body is broken or larger than {limit} bytes")]
    Inflate {
        /// Bytes that are allowed.
        limit: usize,
    },
    /// A value outside what the field may hold.
    #[error("{field} is {value}, which is not allowed")]
    Value {
        /// The field's name.
        field: &'static str,
        /// What was there.
        value: i64,
    },
}

/// Reads the fields of one frame, without copying and without allocating by a length from the wire.
#[derive(Debug, Clone)]
pub struct Reader(Bytes);

impl Reader {
    /// A reader over the body of a frame.
    pub fn new(body: Bytes) -> Self {
        Self(body)
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.0.len()
    }

    /// Takes the next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<Bytes, DecodeError> {
        self.need(count)?;
        Ok(self.0.split_to(count))
    }

    /// Takes all that is left.
    pub fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.0)
    }

    /// Looks at what is left.
    pub fn peek(&self) -> &[u8] {
        &self.0
    }

    fn need(&self, wanted: usize) -> Result<(), DecodeError> {
        let left = self.0.len();
        if left < wanted {
            Err(DecodeError::Truncated { wanted, left })
        } else {
            Ok(())
        }
    }
}

/// A type that the protocol carries.
pub trait Wire: Sized {
    /// Reads one value.
    fn read(reader: &mut Reader) -> Result<Self, DecodeError>;
    /// Appends the value.
    fn write(&self, out: &mut BytesMut);
}

macro_rules! integer {
    ($($ty:ty, $get:ident, $put:ident;)*) => {$(
        impl Wire for $ty {
            fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
                reader.need(size_of::<$ty>())?;
                Ok(reader.0.$get())
            }

            fn write(&self, out: &mut BytesMut) {
                out.$put(*self);
            }
        }
    )*};
}

integer! {
    u8, get_u8, put_u8;
    u16, get_u16_le, put_u16_le;
    u32, get_u32_le, put_u32_le;
    i32, get_i32_le, put_i32_le;
    u64, get_u64_le, put_u64_le;
}

/// One byte; anything but zero is true.
impl Wire for bool {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(u8::read(reader)? != 0)
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_u8(u8::from(*self));
    }
}

/// The address as a number in host order, written little-endian: 1.2.3.4 is `04 03 02 01`.
impl Wire for Ipv4Addr {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(u32::read(reader)?.into())
    }

    fn write(&self, out: &mut BytesMut) {
        u32::from(*self).write(out);
    }
}

/// Each item takes at least a byte, so a count that lies ends at the end of the frame.
impl<T: Wire> Wire for Vec<T> {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let count = u32::read(reader)?;
        let mut items = Self::new();
        for _ in 0..count {
            items.push(T::read(reader)?);
        }
        Ok(items)
    }

    fn write(&self, out: &mut BytesMut) {
        length(self.len()).write(out);
        for item in self {
            item.write(out);
        }
    }
}

/// A field that older or newer programs leave away at the end of a message.
impl<T: Wire> Wire for Option<T> {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        if reader.left() == 0 {
            Ok(None)
        } else {
            T::read(reader).map(Some)
        }
    }

    fn write(&self, out: &mut BytesMut) {
        if let Some(value) = self {
            value.write(out);
        }
    }
}

/// A string as it came: bytes that are UTF-8 today, and were latin-1 in old clients.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Text(Bytes);

impl Text {
    /// The bytes on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text: UTF-8, and latin-1 where that fails (latin-1 cannot fail).
    pub fn decode(&self) -> Cow<'_, str> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(self.0.iter().map(|&byte| char::from(byte)).collect()),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Wire for Text {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let count = u32::read(reader)?;
        reader.take(count as usize).map(Self)
    }

    fn write(&self, out: &mut BytesMut) {
        length(self.0.len()).write(out);
        out.put_slice(&self.0);
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.decode())
    }
}

/// A length as the wire holds it. Nothing that we send comes near 4 GiB.
fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Declares a message body whose fields stand on the wire in the order of declaration.
macro_rules! wire_struct {
    ($($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$field_meta:meta])* pub $field:ident: $ty:ty,)+
    })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $ty,)+
        }

        impl $crate::wire::Wire for $name {
            fn read(reader: &mut $crate::wire::Reader) -> Result<Self, $crate::wire::DecodeError> {
                Ok(Self { $($field: $crate::wire::Wire::read(reader)?,)+ })
            }

            fn write(&self, out: &mut bytes::BytesMut) {
                $($crate::wire::Wire::write(&self.$field, out);)+
            }
        }
    )+};
}

/// Declares a family of messages: an enum whose variants are chosen by the code in front of the body.
macro_rules! messages {
    ($(#[$meta:meta])* pub enum $name:ident: $code_type:ty {
        $($(#[$variant_meta:meta])* $code:literal => $variant:ident $(($body:ident: $ty:ty))?,)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_meta])* $variant $(($ty))?,)+
            /// A code that this program does not know: skipped by its length.
            Unknown {
                /// The code.
                code: $code_type,
                /// What followed it.
                body: bytes::Bytes,
            },
        }

        impl $name {
            /// Reads a frame's code and body. Bytes after the known fields are ignored.
            pub fn decode(frame: &$crate::frame::Frame) -> Result<Self, $crate::wire::DecodeError> {
                use $crate::wire::{Reader, Wire};
                let mut reader = Reader::new(frame.payload());
                let code = <$code_type>::read(&mut reader)?;
                Ok(match code {
                    $($code => Self::$variant $((<$ty as Wire>::read(&mut reader)?))?,)+
                    code => Self::Unknown { code, body: reader.rest() },
                })
            }

            /// The whole frame, length included.
            pub fn encode(&self) -> bytes::Bytes {
                use $crate::wire::Wire;
                $crate::frame::build(|out| match self {
                    $(Self::$variant $(($body))? => {
                        (<$code_type>::from($code)).write(out);
                        $($body.write(out);)?
                    })+
                    Self::Unknown { code, body } => {
                        code.write(out);
                        out.extend_from_slice(body);
                    }
                })
            }
        }
    };
}

pub(crate) use {messages, wire_struct};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_lies_does_not_allocate() {
        let mut reader = Reader::new(Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0]));
        assert_eq!(
            Vec::<Text>::read(&mut reader),
            Err(DecodeError::Truncated { wanted: 1, left: 0 })
        );
    }

    #[test]
    fn text_falls_back_to_latin_1() {
        assert_eq!(Text::from(b"mot\xf6rhead".to_vec()).decode(), "motörhead");
        assert_eq!(Text::from("東京").decode(), "東京");
    }
}
