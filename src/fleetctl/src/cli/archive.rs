//! The command line of `fleetctl archive`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use fleet_store::{Destination, FileFormat, Month};

use super::{Output, parse_time};
use crate::place::PlaceArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum ArchiveCommand {
    /// Put months that are over into verified files, and delete them from the live tables
    Run(Run),
    /// Show the files of the archive, and what is wrong with them
    Ls(Ls),
    /// Read files to their end: every byte and every record must be what was written
    Verify(Verify),
    /// Bring a month back into the live tables
    Restore(Restore),
    /// Write the records of a month that are in archive files; live ones are not among them
    Export(Export),
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// The month, for example 2026-10; all that are over where none is named
    #[arg(long, value_name = "YYYY-MM")]
    pub(crate) month: Option<Month>,
    /// Directory or bucket for the files: `DIR` or `s3://BUCKET/PREFIX`, with the usual `AWS_` variables
    #[arg(long, value_name = "DIR|URL", env = "FLEET_ARCHIVE_DESTINATION")]
    pub(crate) destination: Destination,
    /// Months before this one whose records stay in the live tables, too
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        conflicts_with = "month",
        env = "FLEET_ARCHIVE_KEEP_MONTHS"
    )]
    pub(crate) keep_months: u32,
    /// parquet, or csv.gz for people who want it
    #[arg(long, default_value = "parquet", env = "FLEET_ARCHIVE_FORMAT")]
    pub(crate) format: FileFormat,
    /// Write and verify, and leave the records in the live tables
    #[arg(long)]
    pub(crate) no_delete: bool,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How to print what was done
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// A place to look at beside those where noted files are
    #[arg(long, value_name = "DIR|URL", env = "FLEET_ARCHIVE_DESTINATION")]
    pub(crate) destination: Option<Destination>,
    /// How to print the files
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// The month; all where none is named
    #[arg(long, value_name = "YYYY-MM")]
    pub(crate) month: Option<Month>,
    /// How to print the results
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// The month
    #[arg(long, value_name = "YYYY-MM")]
    pub(crate) month: Month,
    /// Where the files are, for a new PostgreSQL database that knows nothing of them
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) from: Option<Destination>,
    /// Verify the files and say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// The month
    #[arg(long, value_name = "YYYY-MM")]
    pub(crate) month: Month,
    /// csv, jsonl or parquet
    #[arg(long, default_value = "jsonl")]
    pub(crate) format: fleet_store::Format,
    /// Only records received at this time or later: 2026-10-21, or 2026-10-21T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) since: Option<jiff::Timestamp>,
    /// Only records received before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) until: Option<jiff::Timestamp>,
    /// File to write instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
