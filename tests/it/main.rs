//! Tests that need real processes: Soulseek clients of other people and our own executables.

mod collector;
mod destination;
mod fixtures;
mod peers;
mod shipping;
mod sim;
