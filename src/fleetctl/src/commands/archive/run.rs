//! `fleetctl archive run`

use fleet_store::{ArchiveError, ArchiveOptions, Archived, Archiver};
use fleet_telemetry::allocator::give_back_freed_memory;
use fleet_telemetry::logging::{self, Format};
use jiff::Timestamp;
use serde_json::json;

use crate::bar::with_bar;
use crate::cli::archive::Run;
use crate::failure::Failure;
use crate::printer;

pub(super) async fn run(arguments: Run) -> Result<(), Failure> {
    let Run {
        place,
        month,
        destination,
        keep_months,
        format,
        no_delete,
        dry_run,
        output,
    } = arguments;
    logging::init(Format::Auto, "warn", std::io::stderr)?;
    give_back_freed_memory();
    let mut options = ArchiveOptions::default();
    options.format = format;
    options.delete = !no_delete;
    options.dry_run = dry_run;
    let mut archiver = Archiver::open(&place.place()?, destination, options).await?;
    let now = Timestamp::now();
    let progress = archiver.progress();
    let work = async {
        match month {
            Some(month) => {
                Ok::<_, ArchiveError>((vec![archiver.archive(month, now).await?], Ok(())))
            }
            None => Ok(archiver.archive_due(now, keep_months).await),
        }
    };
    let (done, failed) = with_bar(progress, Box::pin(work)).await?;
    if done.is_empty() && failed.is_ok() {
        printer::note("no month is over that has live records");
    }
    let columns = ["month", "file", "records", "bytes", "deleted", "remark"];
    let rows = done.iter().flat_map(|archived| rows(archived, dry_run));
    if !done.is_empty() || failed.is_ok() {
        printer::objects(output, &columns, &rows.collect::<Vec<_>>())?;
    }
    Ok(failed?)
}

/// A line for each file, or one for a month without a new file. What is deleted is said once a month.
fn rows(archived: &Archived, dry_run: bool) -> Vec<Vec<serde_json::Value>> {
    let Archived {
        month,
        written,
        deleted,
        kept,
    } = archived;
    let would = if dry_run {
        "dry run: nothing was done"
    } else {
        ""
    };
    let remark = kept.map_or(would.to_owned(), |kept| format!("kept: {kept}"));
    let mut rows: Vec<_> = written
        .iter()
        .map(|file| {
            let bytes = (!dry_run).then_some(file.bytes);
            vec![
                json!(month),
                json!(file.file_path),
                json!(file.records),
                json!(bytes),
                json!(null),
                json!(remark),
            ]
        })
        .collect();
    if rows.is_empty() {
        rows.push(vec![
            json!(month),
            json!(null),
            json!(0),
            json!(null),
            json!(null),
            json!(remark),
        ]);
    }
    if let Some(last) = rows.last_mut() {
        last[4] = json!(deleted);
    }
    rows
}
