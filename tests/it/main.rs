//! Tests that need real processes: Soulseek clients of other people and our own executables.

mod collector;
mod database_faults;
mod fixtures;
mod migrate;
mod peers;
mod roles;
mod shipping;
mod sim;
