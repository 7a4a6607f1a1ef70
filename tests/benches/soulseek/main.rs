//! How fast, and how big: `cargo bench -p fleet-tests --bench soulseek [-- --json]`. What it measures and how to read
//! it stands in `docs/benchmarks.md`.
//!
//! No number makes it fail, only a wrong count does.

mod archive;
mod collector;
mod corpus;
mod database;
mod decode;
mod disk;
mod feeder;
mod figures;
mod fill;
mod memory;
mod peer;
mod process;
mod program;
mod report;

use std::env;

use anyhow::Result;
use clap::{Parser, ValueEnum};

use crate::report::Report;

/// Measures the Soulseek collector, beside aioslsk.
#[derive(Debug, Parser)]
struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// A million searches at the steady rate (more than eight minutes), not a minute of them; figures of days in a
    /// history of 50 million records, not 10
    #[arg(long)]
    long: bool,
    /// Records of each run from socket to disk
    #[arg(long, default_value_t = 2_000_000)]
    records: u32,
    /// Runs from socket to disk; the best one counts
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Only this part; can be given more than once
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Given by cargo bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Decode,
    Disk,
    Memory,
    Database,
    Archive,
    Figures,
}

// One thread: the other core belongs to the collector.
#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "a benchmark prints")]
async fn main() -> Result<()> {
    let options = Options::parse();
    if !options.bench {
        // `cargo test --all-targets` runs benchmarks, too, to see that they start.
        return Ok(());
    }
    let wanted = |part| options.only.is_empty() || options.only.contains(&part);
    let mut report = Report::new(process::machine());
    if env::var_os("CARGO_INCREMENTAL").is_some_and(|value| value == "1") {
        report.note("built with CARGO_INCREMENTAL=1: not the code that users run".to_owned());
    }
    if wanted(Part::Decode) {
        decode::run(&mut report).await?;
    }
    if wanted(Part::Disk) {
        disk::run(&mut report, &options).await?;
    }
    if wanted(Part::Memory) {
        memory::run(&mut report, &options).await?;
    }
    if wanted(Part::Database) {
        database::run(&mut report, &options).await?;
    }
    if wanted(Part::Archive) {
        archive::run(&mut report).await?;
    }
    if wanted(Part::Figures) {
        figures::run(&mut report, &options).await?;
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.table());
    }
    Ok(())
}
