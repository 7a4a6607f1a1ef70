//! `fleetctl archive`

mod export;
mod list;
mod restore;
mod run;

use fleet_store::Part;

use crate::cli::archive::ArchiveCommand;
use crate::failure::Failure;

pub(crate) async fn run(command: ArchiveCommand) -> Result<(), Failure> {
    match command {
        ArchiveCommand::Run(arguments) => run::run(arguments).await,
        ArchiveCommand::Ls(arguments) => list::list(arguments).await,
        ArchiveCommand::Verify(arguments) => list::verify(arguments).await,
        ArchiveCommand::Restore(arguments) => restore::run(arguments).await,
        ArchiveCommand::Export(arguments) => export::run(arguments).await,
    }
}

/// Where the records of a part are.
fn records_are(part: &Part) -> &'static str {
    match (part.deleted, &part.restored_at) {
        (true, _) => "in the file",
        (false, Some(_)) => "restored",
        (false, None) => "live",
    }
}
