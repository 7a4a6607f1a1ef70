//! The Soulseek protocol, as far as a node needs it that listens to searches.
//!
//! Below: the codec without I/O ([`wire`], [`frame`], [`messages`], [`obfuscation`]). Above it, the
//! session: one account that stays logged in, keeps its place in the distributed search tree, passes
//! searches on to its children and reports every search that it sees.
//!
//! There is no official specification. Layouts and names follow the protocol documents of Nicotine+
//! and aioslsk, checked against bytes from both programs (`tests/vectors.json`).
#![warn(missing_docs)]

pub mod frame;
pub mod messages;
pub mod obfuscation;
pub mod session;
pub mod wire;
