//! `fleetctl crd`

use crate::failure::Failure;
use crate::printer;

pub(crate) fn run() -> Result<(), Failure> {
    let crd = fleet_api::crd().map_err(anyhow::Error::from)?;
    Ok(printer::line(crd.trim_end())?)
}
