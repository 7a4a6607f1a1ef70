//! `fleetctl archive restore`

use fleet_store::{RestoreOptions, restore};
use tokio::sync::watch;

use crate::bar::with_bar;
use crate::cli::archive::Restore;
use crate::failure::Failure;
use crate::printer;

pub(super) async fn run(arguments: Restore) -> Result<(), Failure> {
    let Restore {
        place,
        month,
        from,
        dry_run,
    } = arguments;
    let place = place.place()?;
    let mut options = RestoreOptions::default();
    options.dry_run = dry_run;
    options.from = from;
    let progress = watch::Sender::default();
    let work = Box::pin(restore(&place, month, options, &progress));
    let restored = with_bar(progress.subscribe(), work).await?;
    for file in &restored.files {
        printer::note(&format!("verified {file}"));
    }
    let did = if dry_run { "would restore" } else { "restored" };
    printer::line(&format!("{did} {} records of {month}", restored.records))?;
    if !dry_run {
        printer::note(&format!(
            "they stay live until `fleetctl archive run --month {month}` deletes them again"
        ));
    }
    Ok(())
}
