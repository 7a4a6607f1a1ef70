//! Tests that need real processes: Soulseek clients of other people and our own executables.

mod archive_python;
mod collector;
mod peers;
mod sim;
