//! The machines of a fleet: what a spec wants, what is there, and what has to be done. `fleetctl` and the operator
//! do the same with the same code. And the operator itself.

pub mod cloud_init;
pub mod cluster;
mod fleet;
pub mod keeper;
mod leader;
pub mod metrics;
mod run;
pub mod servers;

pub use self::run::{Operator, OperatorError, Options};
