//! The order for a server: what the request says, and whether it can be met.

use super::{Server, UserData, read_user_data};
use crate::hetzner::catalog::ServerType;
use crate::hetzner::errors::ApiError;
use crate::hetzner::fields::{Fields, IdOrName};
use crate::hetzner::firewalls::Firewall;
use crate::hetzner::labels::Labels;
use crate::hetzner::networks::Place;
use crate::hetzner::primary_ips::PrimaryIp;
use crate::hetzner::project::Project;
use crate::hetzner::resource::Resource;
use crate::hetzner::ssh_keys::SshKey;

/// What the request says.
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) start: bool,
    pub(super) user_data: Option<UserData>,
    pub(super) labels: Option<Labels>,
    pub(super) ipv4: Address,
    pub(super) ipv6: Address,
    pub(super) firewalls: Vec<i64>,
    pub(super) networks: Vec<i64>,
    pub(super) volumes: Vec<i64>,
    pub(super) placement_group: Option<i64>,
    server_type: IdOrName,
    image: IdOrName,
    location: Option<IdOrName>,
    ssh_keys: Vec<IdOrName>,
}

/// One of the two addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    None,
    New,
    Given(i64),
}

/// What the request's words stand for.
pub(super) struct Found {
    pub(super) server_type: ServerType,
    pub(super) image: i64,
    pub(super) location: String,
    pub(super) ssh_keys: Vec<i64>,
}

impl Wanted {
    pub(super) fn read(fields: &mut Fields) -> Self {
        let name: String = fields.required("name");
        if fields.has_text("name") {
            Server::check_name(fields, &name);
        }
        let addresses = fields.nested("public_net", |net| {
            let ipv4 = Address::read(net, "enable_ipv4", "ipv4");
            (ipv4, Address::read(net, "enable_ipv6", "ipv6"))
        });
        let (ipv4, ipv6) = addresses.unwrap_or((Address::New, Address::New));
        fields.optional::<bool>("automount");
        Self {
            name,
            server_type: fields.required("server_type"),
            image: fields.required("image"),
            location: fields.optional("location"),
            start: fields.optional("start_after_create").unwrap_or(true),
            ssh_keys: fields.optional("ssh_keys").unwrap_or_default(),
            user_data: read_user_data(fields),
            labels: fields.labels(),
            ipv4,
            ipv6,
            firewalls: fields.each("firewalls", |firewall| firewall.required("firewall")),
            networks: fields.optional("networks").unwrap_or_default(),
            volumes: fields.optional("volumes").unwrap_or_default(),
            placement_group: fields.optional("placement_group"),
        }
    }

    /// Everything that could refuse the order, stock last.
    pub(super) fn check(&self, project: &Project) -> Result<Found, ApiError> {
        project.check_unique::<Server>(&self.name, None)?;
        let server_type = project.find_type(&self.server_type)?.clone();
        let image = project.find_image(&self.image, &server_type.architecture)?;
        let ssh_keys = self.find_keys(project)?;
        if image.disk_size > server_type.disk {
            let message = "image does not fit on the disk of the server type";
            return Err(ApiError::field("image", message));
        }
        let location = match &self.location {
            Some(location) => project.find_location("location", location)?.name.clone(),
            None => self.some_location(project, &server_type),
        };
        for (kind, address) in [("ipv4", self.ipv4), ("ipv6", self.ipv6)] {
            if let Address::Given(id) = address {
                check_address(project, id, kind, &location)?;
            }
        }
        for &firewall in &self.firewalls {
            project.referred::<Firewall>("firewalls", firewall)?;
        }
        let zone = project
            .catalog
            .location(&location)
            .map(|location| location.network_zone.as_str());
        for &network in &self.networks {
            project.check_room_in_network(
                network,
                None,
                zone.unwrap_or_default(),
                &Place::default(),
            )?;
        }
        for &volume in &self.volumes {
            project.check_attachable("volumes", volume, &location)?;
        }
        if let Some(group) = self.placement_group {
            project.check_room_in_group(group)?;
        }
        project.check_limit::<Server>()?;
        project.check_stock(&server_type, &location)?;
        let image = image.meta.id;
        Ok(Found {
            server_type,
            image,
            location,
            ssh_keys,
        })
    }

    fn find_keys(&self, project: &Project) -> Result<Vec<i64>, ApiError> {
        let keys = self.ssh_keys.iter().map(|wanted| {
            let mut keys = project.state.ssh_keys.values().map(SshKey::meta);
            let found = keys.find(|key| wanted.names(key.id, &key.name));
            let missing =
                || ApiError::field("ssh_keys", format!("SSH key '{}' not found", wanted.0));
            found.map(|key| key.id).ok_or_else(missing)
        });
        keys.collect()
    }

    /// The cloud's choice: where the given addresses are, or else where the type is available.
    fn some_location(&self, project: &Project, server_type: &ServerType) -> String {
        let given = [self.ipv4, self.ipv6]
            .into_iter()
            .find_map(|address| match address {
                Address::Given(id) => project.state.primary_ips.get(&id),
                _ => None,
            });
        if let Some(ip) = given {
            return ip.location.clone();
        }
        let mut offers = server_type.locations.keys();
        let available = offers.find(|location| project.available(server_type, location));
        let any = || server_type.locations.keys().next();
        available.or_else(any).cloned().unwrap_or_default()
    }
}

impl Address {
    fn read(net: &mut Fields, enabled: &str, given: &str) -> Self {
        match (net.optional(enabled).unwrap_or(true), net.optional(given)) {
            (false, _) => Self::None,
            (true, None) => Self::New,
            (true, Some(id)) => Self::Given(id),
        }
    }
}

fn check_address(project: &Project, id: i64, kind: &str, location: &str) -> Result<(), ApiError> {
    let ip = project.referred::<PrimaryIp>("public_net", id)?;
    let refuse = |code: &str, message: &str| Err(ApiError::new(code, message));
    if ip.kind != kind {
        return refuse(
            "primary_ip_version_mismatch",
            "the primary IP has the wrong version",
        );
    }
    if ip.assignee.is_some() {
        return refuse("primary_ip_assigned", "the primary IP is already assigned");
    }
    if ip.location != location {
        return refuse(
            "primary_ip_datacenter_mismatch",
            "the primary IP is in another location",
        );
    }
    Ok(())
}
