//! `fleetd migrate`: the database's tables, brought to this version.

use fleet_store::postgres;
use fleet_telemetry::logging::{self, Format};
use tracing::info;

use crate::Failure;
use crate::database::DatabaseUrl;

pub(crate) async fn run(arguments: DatabaseUrl) -> Result<(), Failure> {
    logging::init(Format::Auto, "info", std::io::stderr)?;
    let database = arguments.required()?;
    let version = postgres::migrate(&database).await?;
    info!(
        database = database.address(),
        version, "the tables are those of this version"
    );
    Ok(())
}
