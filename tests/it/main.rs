//! Tests that need real processes: Soulseek clients of other people and our own executables.

mod peers;
mod sim;
