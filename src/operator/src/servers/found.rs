//! What is there: everything in the project that carries the fleet's label, with one request a kind.

use std::net::Ipv4Addr;

use fleet_api::names::FLEET_LABEL;
use fleet_hetzner::{
    Client, Error, Firewall, Labels, Money, NameFilter, Network, PlacementGroup, Pricing,
    PrimaryIp, PrimaryIpFilter, Server, ServerFilter, SshKey, SshKeyFilter, Volume, VolumeFilter,
};

use super::change::{Item, Kind};
use super::prices;
use super::setup::Base;
use super::wanted::{Role, Wanted};

/// What is there of a fleet.
#[derive(Debug, Clone)]
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
pub fn is_ours(labels: &Labels, fleet: &str) -> bool {
    labels.get(FLEET_LABEL).is_some_and(|of| of == fleet)
}

impl Found {
    /// Looks. Eight requests, and one more for every fifty servers.
    pub async fn find(client: &Client, wanted: &Wanted) -> Result<Self, Error> {
        let selector = Some(wanted.all.clone());
        let labelled = NameFilter {
            label_selector: selector.clone(),
            ..NameFilter::default()
        };
        let servers = ServerFilter {
            label_selector: selector.clone(),
            ..ServerFilter::default()
        };
        let volumes = VolumeFilter {
            label_selector: selector.clone(),
            ..VolumeFilter::default()
        };
        let addresses = PrimaryIpFilter {
            label_selector: selector,
            ..PrimaryIpFilter::default()
        };
        let (
            servers,
            ssh_keys,
            firewalls,
            networks,
            volumes,
            primary_ips,
            placement_groups,
            pricing,
        ) = tokio::try_join!(
            async { client.servers().list(&servers).await },
            async { client.ssh_keys().list(&SshKeyFilter::default()).await },
            async { client.firewalls().list(&labelled).await },
            async { client.networks().list(&labelled).await },
            async { client.volumes().list(&volumes).await },
            async { client.primary_ips().list(&addresses).await },
            async { client.placement_groups().list(&labelled).await },
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

    /// What costs money, as it is now.
    pub fn items_with_a_price(&self) -> Vec<Item> {
        let servers = self.servers.iter().map(|server| self.server_item(server));
        let addresses = self.primary_ips.iter().map(|ip| self.address_item(ip));
        let volumes = self.volumes.iter().map(|volume| self.volume_item(volume));
        servers.chain(addresses).chain(volumes).collect()
    }

    /// A server as a plan shows it, with the address that comes and goes with it.
    pub fn server_item(&self, server: &Server) -> Item {
        let location = &server.location.name;
        // An address that outlives the server is an item of its own.
        let own_address = self
            .primary_ips
            .iter()
            .any(|ip| ip.assignee_id == Some(server.id));
        let address = if own_address || server.ipv4().is_none() {
            Money::ZERO
        } else {
            prices::address(&self.pricing, location)
        };
        let price = prices::server(&server.server_type, location);
        Item {
            kind: Kind::Server,
            name: server.name.clone(),
            location: Some(location.clone()),
            server_type: Some(server.server_type.name.clone()),
            monthly: price.map(|price| price + address),
        }
    }

    /// An address as a plan shows it.
    pub fn address_item(&self, ip: &PrimaryIp) -> Item {
        let location = &ip.location.name;
        Item {
            location: Some(location.clone()),
            monthly: Some(prices::address(&self.pricing, location)),
            ..Item::free(Kind::PrimaryIp, &ip.name)
        }
    }

    /// A volume as a plan shows it.
    pub fn volume_item(&self, volume: &Volume) -> Item {
        Item {
            location: Some(volume.location.name.clone()),
            monthly: Some(prices::volume(&self.pricing, volume.size)),
            ..Item::free(Kind::Volume, &volume.name)
        }
    }

    /// The server that is wanted, if it is there.
    pub(super) fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name == name)
    }

    /// What others have to know of the control plane's server, if it is there.
    pub fn base(&self, wanted: &Wanted) -> Option<Base> {
        let control_plane = wanted
            .servers
            .iter()
            .find(|server| server.role == Role::ControlPlane)?;
        let server = self.server(&control_plane.name)?;
        let volume = self
            .volumes
            .iter()
            .find(|volume| volume.name == server.name);
        let data_device = match (volume, wanted.volume_gb) {
            (Some(volume), _) => Some(volume.linux_device.clone()),
            // One is going to be made, under a name that is not known yet.
            (None, Some(_)) => Some("/dev/disk/by-id/not-made-yet".to_owned()),
            (None, None) => None,
        };
        let address: Ipv4Addr = server.ipv4()?;
        Some(Base {
            address,
            data_device,
        })
    }
}
