//! Tests that need real processes: Soulseek clients of other people and our own executables.

mod archive_document;
mod archive_python;
mod archiving;
mod backup;
mod cluster;
mod collector;
mod database_faults;
mod destination;
mod figures;
mod fixtures;
mod kube;
mod migrate;
mod mishaps;
mod moments;
mod month;
mod peers;
mod report_page;
mod report_sample;
mod restoring;
mod roles;
mod shipping;
mod sim;
mod ssh;
