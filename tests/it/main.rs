//! Tests that need real processes: Soulseek clients of other people and our own executables.

mod backup;
mod collector;
mod fixtures;
mod peers;
mod restoring;
mod shipping;
mod sim;
