//! What is there: everything in the project that carries the fleet's label, with one request a kind.

use std::collections::BTreeMap;

use fleet_api::names::{CONTROL_PLANE, FLEET_LABEL};
use fleet_hetzner::{
    Client, Error, Firewall, Money, Network, PlacementGroup, Pricing, PrimaryIp, Server, SshKey,
    Volume,
};

use super::plan::{Item, Kind};

/// What is there of a fleet.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Its servers.
    pub servers: Vec<Server>,
    /// All keys of the project: a spec may name keys that are not the fleet's.
    pub ssh_keys: Vec<SshKey>,
    /// Its firewalls.
    pub firewalls: Vec<Firewall>,
    /// Its private networks.
    pub networks: Vec<Network>,
    /// Its volumes.
    pub volumes: Vec<Volume>,
    /// Its addresses; not those that come and go with a server.
    pub primary_ips: Vec<PrimaryIp>,
    /// Its placement groups.
    pub placement_groups: Vec<PlacementGroup>,
    /// What things cost today.
    pub pricing: Pricing,
}

/// Whether something carries the fleet's label.
pub fn is_ours(labels: &BTreeMap<String, String>, fleet: &str) -> bool {
    labels.get(FLEET_LABEL).is_some_and(|of| of == fleet)
}

impl Found {
    /// Looks. Eight requests, and one more for every fifty servers.
    pub async fn find(client: &Client, fleet: &str) -> Result<Self, Error> {
        let ours = format!("{FLEET_LABEL}={fleet}");
        let (servers, ssh_keys, firewalls, networks, volumes, primary_ips, placement_groups, pricing) = tokio::try_join!(
            client.servers().list_labelled(&ours),
            client.ssh_keys().list(),
            client.firewalls().list_labelled(&ours),
            client.networks().list_labelled(&ours),
            client.volumes().list_labelled(&ours),
            client.primary_ips().list_labelled(&ours),
            client.placement_groups().list_labelled(&ours),
            client.pricing(),
        )?;
        Ok(Self {
            servers,
            ssh_keys,
            firewalls,
            networks,
            volumes,
            primary_ips,
            placement_groups,
            pricing,
        })
    }

    /// What an IPv4 address costs a month.
    pub fn address_price(&self, location: &str) -> Money {
        self.pricing.ipv4_month(location).unwrap_or_default()
    }

    /// A server as a plan shows it.
    pub fn server_item(&self, server: &Server) -> Item {
        let location = &server.location.name;
        // An address that outlives the server is an item of its own.
        let own_address = self.primary_ips.iter().any(|ip| ip.assignee_id == Some(server.id));
        let address = if own_address || server.ipv4().is_none() {
            Money::default()
        } else {
            self.address_price(location)
        };
        let price = server.server_type.monthly_price(location);
        Item {
            kind: Kind::Server,
            name: server.name.clone(),
            location: Some(location.clone()),
            server_type: Some(server.server_type.name.clone()),
            monthly: price.map(|price| price + address),
        }
    }

    /// Where the control plane has to be, if something of it is there already that cannot move.
    pub(super) fn control_plane_location(&self) -> Option<&str> {
        let suffix = format!("-{CONTROL_PLANE}");
        let volume = self.volumes.iter().find(|volume| volume.name.ends_with(&suffix));
        volume.map(|volume| volume.location.name.as_str())
    }

    /// The network zone of the control plane's server.
    pub(super) fn zone_of_control_plane(&self) -> Option<&str> {
        let suffix = format!("-{CONTROL_PLANE}");
        let server = self.servers.iter().find(|server| server.name.ends_with(&suffix));
        server.map(|server| server.location.network_zone.as_str())
    }
}
