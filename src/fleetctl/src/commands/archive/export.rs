//! `fleetctl archive export`

use fleet_store::{Filter, archived_rows, export_rows};

use crate::cli::archive::Export;
use crate::commands::export::write;
use crate::failure::Failure;

pub(super) async fn run(arguments: Export) -> Result<(), Failure> {
    let Export {
        place,
        month,
        format,
        since,
        until,
        output,
    } = arguments;
    let rows = archived_rows(&place.place()?, month, Filter { since, until }).await?;
    write(output.as_deref(), format, async |output| {
        export_rows(rows, format, output).await
    })
    .await
}
