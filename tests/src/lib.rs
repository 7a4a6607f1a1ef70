//! What the tests in `it/` stand on: real Soulseek clients and our own executables as separate processes.

pub mod bins;
pub mod fleet;
pub mod peer;
pub mod ports;
pub mod protocol;
mod target;
pub mod venv;
