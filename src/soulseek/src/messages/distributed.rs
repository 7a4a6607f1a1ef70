//! Messages on `D` connections, the edges of the distributed search tree. Codes are one byte wide,
//! with one exception: old branch roots pass the server's frame 93 on as it came, four bytes wide.

use bytes::{Buf, Bytes, BytesMut};

use crate::frame::{self, Frame};
use crate::wire::{DecodeError, Reader, Text, Wire, wire_struct};

/// The identifier that every real search carries (`'1'`). Others are ignored and not passed on.
pub const SEARCH_IDENTIFIER: u32 = 49;

pub(crate) const SEARCH: u8 = 3;
const PING: u8 = 0;
const BRANCH_LEVEL: u8 = 4;
const BRANCH_ROOT: u8 = 5;
const CHILD_DEPTH: u8 = 7;
const EMBEDDED: u8 = 93;

wire_struct! {
    /// A user's search on its way through the tree. Programs may append bytes: pass the frame on as
    /// it came.
    pub struct Search {
        /// [`SEARCH_IDENTIFIER`].
        pub identifier: u32,
        /// Who searches.
        pub username: Text,
        /// The searcher's own number for this search.
        pub token: u32,
        /// What is searched for.
        pub query: Text,
    }
}

/// A message on a distributed connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DistributedMessage {
    /// Code 0. Some answer a ping with a ping that carries a token.
    Ping(Option<u32>),
    /// Code 3, parent to child.
    Search(Search),
    /// Code 4, parent to child: the parent's distance from the root. Broken clients send -1.
    BranchLevel(i32),
    /// Code 5, parent to child: the name at the top of this branch.
    BranchRoot(Text),
    /// Code 7, child to parent; obsolete.
    ChildDepth(u32),
    /// Code 93: a search as the server sends it to roots, which old roots pass on by mistake.
    Embedded {
        /// The code of the message inside. Only 3 (search) is ever sent.
        code: u8,
        /// The body of the message inside.
        body: Bytes,
        /// Whether the code 93 was four bytes wide.
        wide: bool,
    },
    /// Anything else: skipped by its length.
    Unknown {
        /// The code.
        code: u8,
        /// What followed it.
        body: Bytes,
    },
}

impl DistributedMessage {
    /// Reads a frame's code and body. Bytes after the known fields are ignored.
    pub fn decode(frame: &Frame) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(frame.payload());
        Ok(match u8::read(&mut reader)? {
            PING => Self::Ping(Wire::read(&mut reader)?),
            SEARCH => Self::Search(Wire::read(&mut reader)?),
            BRANCH_LEVEL => Self::BranchLevel(Wire::read(&mut reader)?),
            BRANCH_ROOT => Self::BranchRoot(Wire::read(&mut reader)?),
            CHILD_DEPTH => Self::ChildDepth(Wire::read(&mut reader)?),
            EMBEDDED => {
                let wide = reader.peek().starts_with(&[0, 0, 0]);
                if wide {
                    reader.take(3)?;
                }
                Self::Embedded {
                    code: u8::read(&mut reader)?,
                    body: reader.rest(),
                    wide,
                }
            }
            code => Self::Unknown {
                code,
                body: reader.rest(),
            },
        })
    }

    /// The whole frame, length included.
    pub fn encode(&self) -> Bytes {
        frame::build(|out| match self {
            Self::Ping(token) => write(out, PING, token),
            Self::Search(search) => write(out, SEARCH, search),
            Self::BranchLevel(level) => write(out, BRANCH_LEVEL, level),
            Self::BranchRoot(root) => write(out, BRANCH_ROOT, root),
            Self::ChildDepth(depth) => write(out, CHILD_DEPTH, depth),
            Self::Embedded { code, body, wide } => {
                out.extend_from_slice(if *wide {
                    &[EMBEDDED, 0, 0, 0]
                } else {
                    &[EMBEDDED]
                });
                code.write(out);
                out.extend_from_slice(body);
            }
            Self::Unknown { code, body } => {
                code.write(out);
                out.extend_from_slice(body);
            }
        })
    }
}

fn write(out: &mut BytesMut, code: u8, body: &impl Wire) {
    code.write(out);
    body.write(out);
}

/// The frame by which a search goes down the tree, made from the body of an embedded one.
pub(crate) fn search_frame(body: &Bytes) -> Bytes {
    frame::build(|out| {
        SEARCH.write(out);
        out.extend_from_slice(body.chunk());
    })
}
