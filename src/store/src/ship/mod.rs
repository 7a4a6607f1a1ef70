//! From the spool to PostgreSQL: each record once, however often either of them fails.
//!
//! A batch and the step of its clients' cursors are one transaction. What the database has is then forgotten by the
//! spool. Receiving never waits for any of this: it ends at the spool.

mod batch;
mod outbox;
mod send;
mod shipper;

pub(crate) use batch::day_of;
pub use shipper::{ShipOptions, ShipStatus, Shipper};
