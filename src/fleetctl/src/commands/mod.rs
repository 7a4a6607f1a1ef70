//! One file a subcommand.

pub(crate) mod archive;
pub(crate) mod completion;
pub(crate) mod crd;
pub(crate) mod export;
pub(crate) mod init;
pub(crate) mod man;
pub(crate) mod monitor;
pub(crate) mod query;
pub(crate) mod report;
pub(crate) mod reveal;
pub(crate) mod up;
pub(crate) mod validate;
