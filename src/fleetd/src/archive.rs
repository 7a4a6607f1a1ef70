//! `fleetd archive`: months that are over, into verified files.

use clap::Args;
use fleet_store::{ArchiveOptions, Archived, Archiver, Destination, FileFormat, Month};
use fleet_telemetry::allocator::give_back_freed_memory;
use fleet_telemetry::logging::{self, Format};
use jiff::Timestamp;
use tracing::info;

use crate::Failure;
use crate::database::PlaceArgs;

#[derive(Debug, Args)]
pub(crate) struct Archive {
    /// The month, for example 2026-10; all that are over where none is named
    #[arg(long, value_name = "YYYY-MM")]
    month: Option<Month>,
    /// Directory or bucket for the files: DIR or `s3://BUCKET/PREFIX`, with the usual `AWS_` variables
    #[arg(long, value_name = "DIR|URL", env = "FLEET_ARCHIVE_DESTINATION")]
    destination: Destination,
    /// Months before this one whose records stay in the live tables, too
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        conflicts_with = "month",
        env = "FLEET_ARCHIVE_KEEP_MONTHS"
    )]
    keep_months: u32,
    /// parquet, or csv.gz for people who want it
    #[arg(long, default_value = "parquet", env = "FLEET_ARCHIVE_FORMAT")]
    format: FileFormat,
    /// Write and verify, and leave the records in the live tables
    #[arg(long)]
    no_delete: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

pub(crate) async fn run(arguments: Archive) -> Result<(), Failure> {
    let Archive {
        month,
        destination,
        keep_months,
        format,
        no_delete,
        dry_run,
        place,
    } = arguments;
    logging::init(Format::Auto, "info", std::io::stderr)?;
    give_back_freed_memory();
    // Collection comes first where both share a processor.
    if let Err(error) = rustix::process::nice(19) {
        tracing::debug!(%error, "this process is as important as others");
    }
    let place = place.place()?;
    let mut options = ArchiveOptions::default();
    options.format = format;
    options.delete = !no_delete;
    options.dry_run = dry_run;
    let mut archiver = Archiver::open(&place, destination, options).await?;
    let now = Timestamp::now();
    let (done, failed) = match month {
        Some(month) => (vec![archiver.archive(month, now).await?], Ok(())),
        None => archiver.archive_due(now, keep_months).await,
    };
    for archived in &done {
        tell(archived, dry_run);
    }
    failed?;
    if done.is_empty() {
        info!("no month is over that has records");
    }
    Ok(())
}

fn tell(archived: &Archived, dry_run: bool) {
    let Archived {
        month,
        written,
        deleted,
        kept,
    } = archived;
    let files: Vec<&str> = written.iter().map(|file| file.file_path.as_str()).collect();
    let records: i64 = written.iter().map(|file| file.records).sum();
    let message = if dry_run {
        "would be archived"
    } else {
        "archived"
    };
    info!(month, records, ?files, deleted, kept, "{message}");
}
