//! `fleetd operator`: keeps the fleets of a cluster as their specs want them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{Args, ValueEnum};
use fleet_operator::cluster::Joining;
use fleet_operator::metrics::Metrics;
use fleet_operator::{Operator, Options};
use fleet_telemetry::admin::Admin;
use fleet_telemetry::logging::{self, Format};
use fleet_telemetry::readiness::Readiness;
use fleet_telemetry::{register_process_metrics, shutdown};
use prometheus_client::registry::Registry;

use crate::Failure;

/// The image of this version.
const IMAGE: &str = concat!(
    "ghcr.io/research-fleet/research-fleet:",
    env!("CARGO_PKG_VERSION")
);

#[derive(Debug, Args)]
pub(crate) struct OperatorArgs {
    /// Only the fleets of this namespace; can be given more than once
    #[arg(
        long = "namespace",
        value_name = "NAME",
        env = "FLEET_NAMESPACES",
        value_delimiter = ','
    )]
    namespaces: Vec<String>,
    /// Image of collectors and jobs where a spec names none
    #[arg(long, value_name = "IMAGE", env = "FLEET_IMAGE", default_value = IMAGE)]
    image: String,
    /// Namespace of the lease that lets one of several operators work; none without it
    #[arg(long, value_name = "NAME", env = "FLEET_LEASE_NAMESPACE")]
    lease_namespace: Option<String>,
    /// What tells this operator from others
    #[arg(long, value_name = "NAME", env = "HOSTNAME")]
    identity: Option<String>,
    /// How new servers become nodes
    #[arg(long, value_enum, default_value_t = Join::K3s, env = "FLEET_JOIN")]
    join: Join,
    /// What new servers join, instead of what the cluster says of itself
    #[arg(long, value_name = "https://HOST:PORT", env = "FLEET_JOIN_ADDRESS")]
    join_address: Option<String>,
    /// Another address of the Hetzner Cloud API
    #[arg(long, value_name = "URL", env = "HCLOUD_ENDPOINT")]
    hcloud_endpoint: Option<String>,
    /// Address for /metrics, /healthz and /readyz
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9090")]
    listen: SocketAddr,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Join {
    /// As agents of k3s
    K3s,
    /// With kubeadm
    Kubeadm,
}

pub(crate) async fn run(arguments: OperatorArgs) -> Result<(), Failure> {
    let OperatorArgs {
        namespaces,
        image,
        lease_namespace,
        identity,
        join,
        join_address,
        hcloud_endpoint,
        listen,
    } = arguments;
    let level = logging::init(Format::Auto, "info", std::io::stderr)?;
    let cancelled = shutdown::token()?;
    let mut registry = Registry::default();
    register_process_metrics(&mut registry);
    let metrics = Metrics::register(&mut registry);
    let pid = std::process::id();
    let operator = Operator::new(
        Options {
            namespaces,
            image,
            lease_namespace,
            identity: identity.unwrap_or_else(|| format!("fleetd-{pid}")),
            joining: match join {
                Join::K3s => Joining::K3s,
                Join::Kubeadm => Joining::Kubeadm,
            },
            join_address,
            endpoint: hcloud_endpoint,
        },
        metrics,
    );
    let readiness = Readiness::default();
    let begun = Arc::new(AtomicBool::new(false));
    operator.register_readiness(&readiness, &begun);
    let admin = Admin {
        registry,
        readiness,
        level: Some(level),
    };
    admin.serve(listen, cancelled.clone()).await?;
    operator.run(begun, cancelled).await?;
    Ok(())
}
