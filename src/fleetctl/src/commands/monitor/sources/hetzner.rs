//! Servers of Hetzner Cloud, and what a month of them costs.

use anyhow::Context as _;
use fleet_api::Manifest;
use fleet_api::names::{CONTROL_PLANE, FLEET_LABEL, REGION_LABEL, ROLE_LABEL};
use fleet_hetzner::{Client, LabelSelector, Pricing, PrimaryIpFilter, ServerFilter, VolumeFilter};
use fleet_operator::servers::Found;
use tokio::sync::OnceCell;

use crate::cloud;
use crate::commands::monitor::snapshot::{Cost, Server};
use crate::failure::Failure;

/// The servers of a fleet in its project.
#[derive(Debug)]
pub(crate) struct HetznerSource {
    client: Client,
    /// What is the fleet's.
    ours: LabelSelector,
    /// Price lists change on announced days: one is enough for as long as somebody watches.
    pricing: OnceCell<Pricing>,
}

impl HetznerSource {
    /// The servers that a spec wants, in the project of its token or the environment's; nothing where it wants none.
    pub(crate) fn of(manifest: &Manifest) -> Result<Option<Self>, Failure> {
        if manifest.collector.spec.infrastructure.is_none() {
            return Ok(None);
        }
        let ours = LabelSelector::new().equals(FLEET_LABEL, manifest.name());
        Ok(Some(Self {
            client: cloud::client(manifest)?,
            ours: ours.map_err(anyhow::Error::from)?,
            pricing: OnceCell::new(),
        }))
    }

    /// Three requests, out of 3600 an hour that all programs of the project share.
    pub(super) async fn poll(&self) -> Result<(Vec<Server>, Cost), anyhow::Error> {
        let Self {
            client,
            ours,
            pricing,
        } = self;
        let servers = ServerFilter {
            label_selector: Some(ours.clone()),
            ..ServerFilter::default()
        };
        let volumes = VolumeFilter {
            label_selector: Some(ours.clone()),
            ..VolumeFilter::default()
        };
        let addresses = PrimaryIpFilter {
            label_selector: Some(ours.clone()),
            ..PrimaryIpFilter::default()
        };
        let asked = async {
            let pricing = pricing.get_or_try_init(|| client.pricing()).await?;
            let (servers, volumes, primary_ips) = tokio::try_join!(
                async { client.servers().list(&servers).await },
                async { client.volumes().list(&volumes).await },
                async { client.primary_ips().list(&addresses).await },
            )?;
            Ok::<_, fleet_hetzner::Error>(Found {
                servers,
                volumes,
                primary_ips,
                pricing: pricing.clone(),
                // These cost nothing.
                ssh_keys: Vec::new(),
                firewalls: Vec::new(),
                networks: Vec::new(),
                placement_groups: Vec::new(),
            })
        };
        asked
            .await
            .map(|found| summary(&found))
            .context("Hetzner Cloud")
    }
}

fn summary(found: &Found) -> (Vec<Server>, Cost) {
    let mut servers: Vec<_> = found
        .servers
        .iter()
        .map(|server| row(found, server))
        .collect();
    // The control plane first, as it is made first.
    servers.sort_by_key(|server| (server.role != CONTROL_PLANE, server.name.clone()));
    let items = found.items_with_a_price();
    let net = items
        .iter()
        .filter_map(|item| item.monthly)
        .sum::<fleet_hetzner::Money>();
    let cost = Cost {
        net: net.rounded().to_string(),
        currency: found.pricing.currency.clone(),
    };
    (servers, cost)
}

fn row(found: &Found, server: &fleet_hetzner::Server) -> Server {
    let label = |key| server.labels.get(key).cloned();
    let ipv6 = || server.public_net.ipv6.as_ref().map(|ipv6| ipv6.ip.clone());
    Server {
        name: server.name.clone(),
        role: label(REGION_LABEL)
            .or_else(|| label(ROLE_LABEL))
            .unwrap_or_else(|| server.name.clone()),
        location: server.location.name.clone(),
        server_type: server.server_type.name.clone(),
        status: server.status.to_string(),
        address: server.ipv4().map(|ip| ip.to_string()).or_else(ipv6),
        monthly_cost: found
            .server_item(server)
            .monthly
            .map(|cost| cost.rounded().to_string()),
    }
}
