//! Tests that need real processes: Soulseek clients of other people and our own executables.

mod archiving;
mod backup;
mod collector;
mod destination;
mod fixtures;
mod month;
mod peers;
mod report_page;
mod report_sample;
mod restoring;
mod shipping;
mod sim;
mod study;
