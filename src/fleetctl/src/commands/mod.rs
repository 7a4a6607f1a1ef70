//! One file a subcommand.

pub(crate) mod archive;
pub(crate) mod completion;
pub(crate) mod cost;
pub(crate) mod crd;
pub(crate) mod deploy;
pub(crate) mod destroy;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod init;
pub(crate) mod kubeconfig;
pub(crate) mod man;
pub(crate) mod monitor;
pub(crate) mod plan;
pub(crate) mod query;
pub(crate) mod report;
pub(crate) mod reveal;
pub(crate) mod ssh;
pub(crate) mod status;
pub(crate) mod up;
pub(crate) mod validate;
