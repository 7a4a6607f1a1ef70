//! PostgreSQL, where the spools of many collectors come together.
//!
//! Every statement runs in an explicit transaction and none is prepared under a name, so that a pooler in transaction
//! mode (`PgBouncer` of any version) may stand between.

mod connect;
pub(crate) mod copy;
mod error;
mod migrate;
pub(crate) mod packed;
pub(crate) mod record;

pub use connect::Database;
pub(crate) use connect::mortal;
pub use error::PostgresError;
pub use migrate::migrate;
