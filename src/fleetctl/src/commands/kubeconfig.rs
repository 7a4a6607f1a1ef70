//! `fleetctl kubeconfig`: access to a fleet's cluster.

use crate::cli::cloud::Kubeconfig;
use crate::cloud::Cloud;
use crate::cluster::Bootstrap;
use crate::failure::Failure;
use crate::printer;

pub(crate) async fn run(arguments: Kubeconfig) -> Result<(), Failure> {
    let cloud = Cloud::open(&arguments.fleet)?;
    let found = cloud.find().await?;
    let Some(base) = found.base(&cloud.wanted) else {
        return Err(Failure::cloud(
            anyhow::anyhow!("{} has no control plane", cloud.wanted.fleet),
            "fleetctl deploy makes it",
        ));
    };
    let bootstrap = Bootstrap::new(&cloud.wanted.fleet, &arguments.access)?;
    let path = bootstrap.fetch(base.address).await.map_err(|error| {
        Failure::cloud(
            anyhow::anyhow!(error),
            "fleetctl ssh shows whether you can log in",
        )
    })?;
    Ok(printer::line(&path.display().to_string())?)
}
