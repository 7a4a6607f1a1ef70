//! The cluster of a fleet, from the first server that runs k3s to the spec that is applied.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fleet_api::Manifest;
use fleet_collector::read_spec;
use fleet_operator::cluster::{
    Cluster, Joining, NodeState, Ssh, Waiting, apply, authority, create_token, delete_tokens,
    fetch, forget_host, forget_node, install, remove, wait_for_nodes,
};
use fleet_operator::servers::{Base, Found, Join, JoinError, Setup, Wanted, WantedServer};
use owo_colors::OwoColorize;
use secrecy::SecretString;
use tokio::sync::OnceCell;

use crate::ask;
use crate::cli::cloud::{Access, FleetArgs};
use crate::failure::Failure;
use crate::home::Home;
use crate::printer;

/// What the operator and the collectors run.
const IMAGE: &str = concat!(
    "ghcr.io/research-fleet/research-fleet:",
    env!("CARGO_PKG_VERSION")
);
/// From the order to a control plane that answers: system image, packages, k3s.
const BOOT: Duration = Duration::from_mins(15);
const NODES: Duration = Duration::from_mins(15);
const GONE: Duration = Duration::from_mins(5);

/// The cluster on a fleet's servers.
#[derive(Debug)]
pub(crate) struct Bootstrap {
    fleet: String,
    home: Home,
    access: Access,
    /// Connected when it is first needed, which is when the control plane answers.
    connected: OnceCell<(Cluster, String)>,
}

impl Bootstrap {
    pub(crate) fn new(fleet: &str, access: &Access) -> Result<Arc<Self>, Failure> {
        Ok(Arc::new(Self {
            fleet: fleet.to_owned(),
            home: Home::of(fleet)?,
            access: access.clone(),
            connected: OnceCell::new(),
        }))
    }

    /// A server is made anew: its host key will be another.
    pub(crate) fn forget(&self, address: std::net::Ipv4Addr) -> Result<(), Failure> {
        forget_host(&self.home.known_hosts(), address.into(), 22)?;
        Ok(())
    }

    /// Where the kubeconfig is.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.access
            .kubeconfig
            .clone()
            .unwrap_or_else(|| self.home.kubeconfig())
    }

    /// Fetches the kubeconfig from the server and keeps it.
    pub(crate) async fn fetch(&self, address: std::net::Ipv4Addr) -> Result<PathBuf, JoinError> {
        let ssh = Ssh {
            address: address.into(),
            port: 22,
            user: "root".to_owned(),
            identity: self.access.identity.clone(),
            known_hosts: self.home.known_hosts(),
        };
        let mut said = String::new();
        let kubeconfig = fetch(&ssh, &self.fleet, BOOT, |waiting| {
            let now = match waiting {
                Waiting::ForSsh(why) => format!("waiting for {address}: {why}"),
                Waiting::ForSetUp(line) => format!("{address} sets itself up: {line}"),
            };
            if now != said {
                printer::note(&now.dimmed().to_string());
                said = now;
            }
        })
        .await?;
        let path = self.kubeconfig();
        kubeconfig.save(&path)?;
        Ok(path)
    }

    /// The cluster, with the operator in it and the certificate of its authority.
    async fn connected(
        &self,
        address: std::net::Ipv4Addr,
    ) -> Result<&(Cluster, String), JoinError> {
        self.connected
            .get_or_try_init(|| async {
                let path = self.fetch(address).await?;
                let cluster = Cluster::connect(Some(&path), None).await?;
                install(&cluster, IMAGE).await?;
                let authority = authority(&cluster).await?;
                Ok((cluster, authority))
            })
            .await
    }

    /// Everything that comes after the servers: the spec is applied, and nodes are waited for.
    pub(crate) async fn finish(
        &self,
        manifest: &Manifest,
        wanted: &Wanted,
        found: &Found,
    ) -> Result<(), Failure> {
        let Some(base) = found.base(wanted) else {
            return Err(Failure::cloud(
                anyhow::anyhow!("the control plane has no IPv4 address"),
                "look at `fleetctl status`",
            ));
        };
        let (cluster, _) = self.connected(base.address).await.map_err(join_failure)?;
        spec(cluster, manifest).await?;
        let names: Vec<&str> = wanted
            .servers
            .iter()
            .map(|server| server.name.as_str())
            .collect();
        nodes(cluster, &names).await?;
        delete_tokens(cluster, &self.fleet, &names).await?;
        Ok(())
    }
}

impl Join for Bootstrap {
    fn token<'j>(
        &'j self,
        server: &'j WantedServer,
        control_plane: &'j Base,
    ) -> Pin<Box<dyn Future<Output = Result<SecretString, JoinError>> + Send + 'j>> {
        Box::pin(async move {
            let (cluster, authority) = self.connected(control_plane.address).await?;
            // A machine of this name that was there before is another one.
            forget_node(cluster, &server.name).await?;
            let token = create_token(cluster, &self.fleet, &server.name, Joining::K3s).await?;
            Ok(token.secure(authority)?)
        })
    }
}

/// What servers become.
pub(crate) fn setup(bootstrap: Option<&Arc<Bootstrap>>) -> Setup {
    match bootstrap {
        Some(bootstrap) => Setup::Cluster(Arc::clone(bootstrap) as Arc<dyn Join>),
        None => Setup::Hosts,
    }
}

/// Brings a fleet onto a cluster that is there already.
pub(crate) async fn deploy(fleet: &FleetArgs, access: &Access, yes: bool) -> Result<(), Failure> {
    let manifest = read_spec(&fleet.file, fleet.secrets.secrets_dir.as_deref())?;
    let cluster = Cluster::connect(access.kubeconfig.as_deref(), None).await?;
    printer::line(&format!(
        "{} onto the cluster at {}",
        manifest.name().bold(),
        cluster.server()
    ))?;
    if !yes {
        ask::confirm("Install the operator and apply the spec?")?;
    }
    for applied in install(&cluster, IMAGE).await? {
        printer::line(&format!(
            "  {:<10} {}",
            applied.outcome.to_string(),
            applied.name
        ))?;
    }
    spec(&cluster, &manifest).await?;
    printer::note(&format!("next: kubectl get rcol {}", manifest.name()));
    Ok(())
}

/// Takes a fleet away from a cluster that stays.
pub(crate) async fn destroy(fleet: &FleetArgs, access: &Access, yes: bool) -> Result<(), Failure> {
    let manifest = read_spec(&fleet.file, fleet.secrets.secrets_dir.as_deref())?;
    let cluster = Cluster::connect(access.kubeconfig.as_deref(), None).await?;
    let name = manifest.name();
    if !yes {
        ask::name(
            &format!(
                "Type the fleet's name to delete it from the cluster at {}",
                cluster.server()
            ),
            name,
        )?;
    }
    let namespace = manifest.collector.metadata.namespace.as_deref();
    let removed = remove(&cluster, namespace, name, GONE).await?;
    if !removed.was_there {
        printer::line(&format!("{name}: nothing is there"))?;
    }
    for stays in removed.stays {
        printer::note(&format!("{} {stays} stays", "note:".yellow().bold()));
    }
    Ok(())
}

async fn spec(cluster: &Cluster, manifest: &Manifest) -> Result<(), Failure> {
    for applied in apply(cluster, manifest).await? {
        printer::line(&format!(
            "  {:<10} {}",
            applied.outcome.to_string(),
            applied.name
        ))?;
    }
    Ok(())
}

async fn nodes(cluster: &Cluster, names: &[&str]) -> Result<(), Failure> {
    let done = wait_for_nodes(cluster, names, NODES, |states| {
        let ready = states
            .values()
            .filter(|state| **state == NodeState::Ready)
            .count();
        printer::note(&format!("{ready} of {} nodes are ready", states.len()));
    });
    Ok(done.await?)
}

fn join_failure(error: JoinError) -> Failure {
    Failure::cloud(
        anyhow::anyhow!(error),
        "run the same command again; it carries on where it was",
    )
}
