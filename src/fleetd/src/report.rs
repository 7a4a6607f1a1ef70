//! `fleetd report`: the figures of days, brought up to date.

use clap::Args;
use fleet_store::report::refresh;
use fleet_telemetry::logging::{self, Format};
use tracing::{info, warn};

use crate::Failure;
use crate::database::PlaceArgs;

#[derive(Debug, Args)]
pub(crate) struct Report {
    #[command(flatten)]
    place: PlaceArgs,
}

pub(crate) async fn run(arguments: Report) -> Result<(), Failure> {
    let Report { place } = arguments;
    logging::init(Format::Auto, "info", std::io::stderr)?;
    let place = place.place()?;
    let refreshed = refresh(&place).await?;
    for (day, reason) in &refreshed.left {
        warn!(%day, "the day's figures are not up to date: {reason}");
    }
    if refreshed.read_only {
        warn!("this user may not keep figures: use one with the role fleet_archiver");
    }
    let days = refreshed.computed.len();
    if refreshed.left.is_empty() && !refreshed.read_only {
        info!(days, "the figures are up to date");
    } else {
        info!(days, "the other figures are up to date");
    }
    Ok(())
}
