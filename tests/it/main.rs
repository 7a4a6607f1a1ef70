//! Tests that need real processes: Soulseek clients of other people and our own executables.

mod collector;
mod peers;
mod report_page;
mod report_sample;
mod sim;
