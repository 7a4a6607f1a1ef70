//! The life of every kind of resource against the simulated cloud, and what the cloud does to us.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod life;
mod networks;
mod servers;
mod storage;
mod troubles;
