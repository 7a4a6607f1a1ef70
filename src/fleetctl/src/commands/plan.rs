//! `fleetctl plan`: what `deploy` would do, where, of which type, and what it costs.

use std::process::ExitCode;

use crate::cli::cloud::{Access, Plan, PlanOutput};
use crate::cloud::{Cloud, table};
use crate::cluster::{Bootstrap, setup};
use crate::failure::Failure;
use crate::printer;

/// The exit code that says that there is something to do.
const CHANGES: u8 = 2;

pub(crate) async fn run(arguments: Plan) -> Result<ExitCode, Failure> {
    let Plan {
        fleet,
        scope,
        output,
    } = arguments;
    let cloud = Cloud::open(&fleet)?;
    let bootstrap = (!scope.servers_only)
        .then(|| Bootstrap::new(&cloud.wanted.fleet, &Access::default()))
        .transpose()?;
    let setup = setup(bootstrap.as_ref());
    let found = cloud.find().await?;
    let plan = cloud
        .plan(&found, &setup, scope.rebuild_control_plane)
        .await?;
    match output {
        PlanOutput::Table => table::print(&found, &cloud.wanted.fleet, &plan)?,
        PlanOutput::Json => {
            printer::line(&table::json(&found, &cloud.wanted.fleet, &plan).to_string())?;
        }
    }
    if let Some(failure) = table::problems(&plan) {
        return Err(failure);
    }
    if plan.is_converged() {
        return Ok(ExitCode::SUCCESS);
    }
    if output == PlanOutput::Table {
        printer::note(&format!(
            "next: fleetctl deploy -f {}",
            fleet.file.display()
        ));
    }
    Ok(ExitCode::from(CHANGES))
}
