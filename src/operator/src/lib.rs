//! The machines of a fleet: what a spec wants, what is there, and what has to be done. `fleetctl` and the operator
//! do the same with the same code.

pub mod cloud_init;
pub mod cluster;
pub mod keeper;
pub mod servers;
