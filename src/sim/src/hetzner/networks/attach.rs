//! Servers in networks: which address they get, and who is refused.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::json;

use super::{Network, overlap};
use crate::hetzner::errors::ApiError;
use crate::hetzner::fields::Fields;
use crate::hetzner::project::Project;
use crate::hetzner::resource::Resource;
use crate::hetzner::route::{Answer, Call};
use crate::hetzner::servers::{PrivateNet, Server};

/// More servers than these are not let in.
const MOST_SERVERS: usize = 100;

/// Where a server wants to be in a network.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    ip: Option<Ipv4Addr>,
    ip_range: Option<Ipv4Net>,
    alias_ips: Vec<Ipv4Addr>,
}

pub(crate) fn attach(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    call.project.check_unlocked::<Server>(id)?;
    let mut fields = call.fields()?;
    let network: i64 = fields.required("network");
    let place = Place {
        ip: fields.has("ip").then(|| read_address(&mut fields)),
        ip_range: if fields.has("ip_range") {
            super::read_range(&mut fields, "ip_range")
        } else {
            None
        },
        alias_ips: read_aliases(&mut fields),
    };
    fields.finish()?;
    let project = &mut *call.project;
    project.referred::<Network>("network", network)?;
    project.check_no_change(network)?;
    let zone = project.zone_of(id);
    project.check_room_in_network(network, Some(id), &zone, &place)?;
    let action = project.attach_to_network(None, network, id, place);
    call.action(action)
}

fn read_address(fields: &mut Fields) -> Ipv4Addr {
    let text: String = fields.required("ip");
    let address = text.parse();
    if address.is_err() {
        fields.wrong("ip", "has to be an IPv4 address");
    }
    address.unwrap_or(Ipv4Addr::UNSPECIFIED)
}

fn read_aliases(fields: &mut Fields) -> Vec<Ipv4Addr> {
    let texts: Vec<String> = fields.optional("alias_ips").unwrap_or_default();
    let aliases: Vec<_> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    if aliases.len() < texts.len() {
        fields.wrong("alias_ips", "have to be IPv4 addresses");
    }
    aliases
}

impl Project {
    /// The network zone of a server.
    fn zone_of(&self, server: i64) -> String {
        let location = self
            .state
            .servers
            .get(&server)
            .map(|server| server.location.as_str());
        let location = location.and_then(|location| self.catalog.location(location));
        location
            .map(|location| location.network_zone.clone())
            .unwrap_or_default()
    }

    /// Whether a server, which may not exist yet, can have this place in a network.
    pub(crate) fn check_room_in_network(
        &self,
        network: i64,
        server: Option<i64>,
        zone: &str,
        place: &Place,
    ) -> Result<(), ApiError> {
        let network = self.referred::<Network>("networks", network)?;
        let id = network.meta.id;
        let nets = server
            .and_then(|server| self.state.servers.get(&server))
            .map(|server| &server.private_net);
        let nets = nets.map(Vec::as_slice).unwrap_or_default();
        if nets.iter().any(|net| net.network == id) {
            let message = "server is already attached to the network";
            return Err(ApiError::new("server_already_attached", message));
        }
        let mut others = nets
            .iter()
            .filter_map(|net| self.state.networks.get(&net.network));
        if others.any(|other| overlap(&other.ip_range, &network.ip_range)) {
            let message = "network overlaps with another one of the server";
            return Err(ApiError::new("networks_overlap", message));
        }
        if self.taken(id).len() >= MOST_SERVERS {
            let message = format!("a network has at most {MOST_SERVERS} servers");
            let details = json!({"limits": [{"name": "servers_per_network_limit"}]});
            return Err(ApiError::new("resource_limit_exceeded", message).with_details(details));
        }
        for alias in &place.alias_ips {
            self.check_address(network, *alias)?;
        }
        self.choose_address(network, zone, place).map(|_| ())
    }

    fn choose_address(
        &self,
        network: &Network,
        zone: &str,
        place: &Place,
    ) -> Result<Ipv4Addr, ApiError> {
        let mut subnets = network.subnets.iter().filter(|subnet| {
            subnet.network_zone == zone
                && place.ip_range.is_none_or(|range| range == subnet.ip_range)
        });
        let none_left = || ApiError::new("no_subnet_available", "no subnet of the zone has room");
        if let Some(ip) = place.ip {
            subnets
                .find(|subnet| subnet.ip_range.contains(&ip))
                .ok_or_else(none_left)?;
            return self.check_address(network, ip).map(|()| ip);
        }
        let mut free = subnets
            .flat_map(|subnet| subnet.ip_range.hosts())
            .filter(|&ip| self.check_address(network, ip).is_ok());
        free.next().ok_or_else(none_left)
    }

    /// Whether a server could have this address.
    fn check_address(&self, network: &Network, ip: Ipv4Addr) -> Result<(), ApiError> {
        let taken = self.taken(network.meta.id);
        let taken = taken
            .iter()
            .any(|net| net.ip == ip || net.alias_ips.contains(&ip));
        let inside = network.subnets.iter().any(|subnet| {
            let range = subnet.ip_range;
            range.contains(&ip) && ip != range.network() && ip != range.broadcast()
        });
        if taken || !inside || ip == network.gateway() {
            return Err(ApiError::new(
                "ip_not_available",
                format!("IP {ip} is not available"),
            ));
        }
        Ok(())
    }

    fn taken(&self, network: i64) -> Vec<&PrivateNet> {
        let servers = self.state.servers.values();
        servers
            .filter_map(|server| server.private_net(network))
            .collect()
    }

    /// Attaches a server. The address is chosen when it comes to that.
    pub(crate) fn attach_to_network(
        &mut self,
        after: Option<i64>,
        network: i64,
        server: i64,
        place: Place,
    ) -> i64 {
        let resources = &[(Server::KIND, server), (Network::KIND, network)];
        self.begin_after(after, "attach_to_network", resources, move |project| {
            let zone = project.zone_of(server);
            let found = project.state.networks.get(&network);
            let Some(Ok(ip)) = found.map(|found| project.choose_address(found, &zone, &place))
            else {
                return;
            };
            let mac_address = mac_address(network, ip);
            let net = PrivateNet {
                network,
                ip,
                alias_ips: place.alias_ips,
                mac_address,
            };
            project.change::<Server>(server, |server| server.private_net.push(net));
        })
    }
}

/// Unique in the simulator as long as networks do not overlap.
fn mac_address(network: i64, ip: Ipv4Addr) -> String {
    let [_, b, c, d] = ip.octets();
    format!("86:00:{:02x}:{b:02x}:{c:02x}:{d:02x}", network % 256)
}

pub(crate) fn detach(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let mut fields = call.fields()?;
    let network: i64 = fields.required("network");
    fields.finish()?;
    check_attached(call.project, id, network)?;
    let resources = &[(Server::KIND, id), (Network::KIND, network)];
    let action = call
        .project
        .begin("detach_from_network", resources, move |project| {
            project.change::<Server>(id, |server| {
                server.private_net.retain(|net| net.network != network)
            });
        });
    call.action(action)
}

fn check_attached(project: &Project, server: i64, network: i64) -> Result<(), ApiError> {
    project.check_unlocked::<Server>(server)?;
    project.referred::<Network>("network", network)?;
    if project
        .find::<Server>(server)?
        .private_net(network)
        .is_none()
    {
        return Err(ApiError::field(
            "network",
            "server is not attached to the network",
        ));
    }
    project.check_no_change(network)
}

pub(crate) fn alias(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let mut fields = call.fields()?;
    let network: i64 = fields.required("network");
    if !fields.has("alias_ips") {
        fields.required::<Vec<String>>("alias_ips");
    }
    let aliases = read_aliases(&mut fields);
    fields.finish()?;
    check_attached(call.project, id, network)?;
    let project = &mut *call.project;
    let found = project.find::<Network>(network)?;
    let own = project
        .find::<Server>(id)?
        .private_net(network)
        .map(|net| net.alias_ips.clone());
    let own = own.unwrap_or_default();
    for alias in aliases.iter().filter(|alias| !own.contains(alias)) {
        project.check_address(found, *alias)?;
    }
    let resources = &[(Server::KIND, id), (Network::KIND, network)];
    let action = project.begin("change_alias_ips", resources, move |project| {
        project.change::<Server>(id, |server| {
            for net in server
                .private_net
                .iter_mut()
                .filter(|net| net.network == network)
            {
                net.alias_ips.clone_from(&aliases);
            }
        });
    });
    call.action(action)
}
