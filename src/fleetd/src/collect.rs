//! `fleetd collect`

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use fleet_collector::{End, Fleet, Metrics, read_spec};
use fleet_telemetry::admin::Admin;
use fleet_telemetry::logging::{self, Format};
use fleet_telemetry::readiness::Readiness;
use fleet_telemetry::{register_process_metrics, shutdown};
use prometheus_client::registry::Registry;
use tracing::error;

use crate::Failure;

#[derive(Debug, Args)]
pub(crate) struct Collect {
    /// The spec
    #[arg(short = 'f', long, value_name = "FILE")]
    file: PathBuf,
    /// The region to record; all regions of the spec where none is named
    #[arg(long, env = "FLEET_REGION")]
    region: Option<String>,
    /// Directory of the spool
    #[arg(long, value_name = "DIR", env = "FLEET_DATA_DIR")]
    data_dir: PathBuf,
    /// Directory with Secrets as Kubernetes mounts them: DIR/<secret>/<key>
    #[arg(long, value_name = "DIR", env = "FLEET_SECRETS_DIR")]
    secrets_dir: Option<PathBuf>,
    /// Address for /metrics, /healthz and /readyz
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9090")]
    listen: SocketAddr,
}

pub(crate) async fn run(arguments: Collect) -> Result<(), Failure> {
    let Collect {
        file,
        region,
        data_dir,
        secrets_dir,
        listen,
    } = arguments;
    let level = logging::init(Format::Auto, "info", std::io::stderr)?;
    let cancelled = shutdown::token()?;
    let manifest = read_spec(&file, secrets_dir.as_deref())?;
    let mut registry = Registry::default();
    register_process_metrics(&mut registry);
    let metrics = Metrics::register(&mut registry);
    let fleet = Fleet::bind(&manifest, region.as_deref(), &data_dir, &metrics).await?;
    fleet.register_metrics(&mut registry);
    let readiness = Readiness::default();
    fleet.register_readiness(&readiness);
    let admin = Admin {
        registry,
        readiness,
        level: Some(level),
    };
    admin.serve(listen, cancelled.clone()).await?;

    let ends = fleet
        .run(&cancelled)
        .await
        .context("the spool could not be closed")?;
    if ends.iter().any(|(_, end)| matches!(end, End::Refused(_))) && !cancelled.is_cancelled() {
        // A restart would log in again and make things worse: stay, not ready, until a person acts.
        error!(
            "no region is left that the server takes; change the Secret or the spec, then restart"
        );
        cancelled.cancelled().await;
    }
    Ok(())
}
