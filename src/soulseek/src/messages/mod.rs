//! The messages, one file a family. The names are those of the protocol documents.

pub mod distributed;
pub mod file;
pub mod init;
pub mod peer;
pub mod server;
