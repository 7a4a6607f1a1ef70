//! Networks: private addresses for servers of one network zone each subnet.

mod attach;
mod change;
mod members;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::Serialize;
use serde_json::{Value, json};

use super::errors::ApiError;
use super::fields::Fields;
use super::project::Project;
use super::resource::{
    Meta, Resource, change_protection, check_unprotected, reading, rename_with, stored_in,
};
use super::route::{Answer, Call, Reply, Route, delete, get, post, put};

pub(crate) use self::attach::{Place, alias, attach, detach};

const MOST_SUBNETS: usize = 50;
const MOST_ROUTES: usize = 100;

/// A private network.
#[derive(Debug, Clone, Serialize)]
pub struct Network {
    /// Identifier, name, labels, protection.
    #[serde(flatten)]
    pub meta: Meta,
    /// All addresses.
    pub ip_range: Ipv4Net,
    /// Parts of it that servers can be in.
    pub subnets: Vec<Subnet>,
    /// For what is not in it.
    pub routes: Vec<NetworkRoute>,
    /// Whether a vSwitch learns the routes.
    pub expose_routes_to_vswitch: bool,
}

/// Addresses for the servers of one network zone.
#[derive(Debug, Clone, Serialize)]
pub struct Subnet {
    /// `cloud` or `server`, which are the same.
    pub kind: String,
    /// A part of the network.
    pub ip_range: Ipv4Net,
    /// For example `eu-central`.
    pub network_zone: String,
}

/// Where packets for others go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkRoute {
    /// Addresses outside.
    pub destination: Ipv4Net,
    /// An address inside.
    pub gateway: Ipv4Addr,
}

impl Resource for Network {
    const KIND: &'static str = "network";
    const PLURAL: &'static str = "networks";

    stored_in!(networks);

    fn view(&self, project: &Project) -> Value {
        let servers = project.state.servers.values();
        let servers = servers.filter(|server| server.private_net(self.meta.id).is_some());
        let subnets = self.subnets.iter().map(|subnet| {
            json!({
                "type": subnet.kind,
                "ip_range": subnet.ip_range,
                "network_zone": subnet.network_zone,
                "gateway": self.gateway(),
                "vswitch_id": null,
            })
        });
        self.meta.view(json!({
            "ip_range": self.ip_range,
            "subnets": subnets.collect::<Vec<_>>(),
            "routes": self.routes,
            "servers": servers.map(|server| server.meta.id).collect::<Vec<_>>(),
            "load_balancers": [],
            "protection": {"delete": self.meta.protected},
            "expose_routes_to_vswitch": self.expose_routes_to_vswitch,
        }))
    }
}

impl Network {
    /// The first address, which no server can have.
    fn gateway(&self) -> Ipv4Addr {
        let first = u32::from(self.ip_range.network()).saturating_add(1);
        Ipv4Addr::from(first)
    }

    /// Adds a subnet; without a range it is the first /24 that is free.
    fn add_subnet(&mut self, wanted: WantedSubnet) -> Result<(), ApiError> {
        let refuse = |message: &str| Err(ApiError::field("ip_range", message));
        if self.subnets.len() >= MOST_SUBNETS {
            return refuse("the network has too many subnets");
        }
        let free = |range: &Ipv4Net| {
            self.subnets
                .iter()
                .all(|subnet| !overlap(subnet.ip_range, *range))
        };
        let WantedSubnet {
            kind,
            ip_range,
            network_zone,
        } = wanted;
        let ip_range = match ip_range {
            Some(ip_range) if !self.ip_range.contains(&ip_range) => {
                return refuse("is not a part of the network");
            }
            Some(ip_range) if !free(&ip_range) => return refuse("overlaps with another subnet"),
            Some(ip_range) => ip_range,
            None => match self
                .ip_range
                .subnets(24)
                .ok()
                .and_then(|mut ranges| ranges.find(free))
            {
                Some(ip_range) => ip_range,
                None => return refuse("no range is left for a subnet"),
            },
        };
        self.subnets.push(Subnet {
            kind,
            ip_range,
            network_zone,
        });
        Ok(())
    }

    fn add_route(&mut self, route: NetworkRoute) -> Result<(), ApiError> {
        if self.routes.len() >= MOST_ROUTES {
            return Err(ApiError::field(
                "destination",
                "the network has too many routes",
            ));
        }
        if !self.ip_range.contains(&route.gateway) || route.gateway == self.gateway() {
            return Err(ApiError::field(
                "gateway",
                "is not an address that a server of the network can have",
            ));
        }
        if self
            .routes
            .iter()
            .any(|known| known.destination == route.destination)
        {
            return Err(ApiError::field("destination", "has a route already"));
        }
        self.routes.push(route);
        Ok(())
    }
}

fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

struct WantedSubnet {
    kind: String,
    ip_range: Option<Ipv4Net>,
    network_zone: String,
}

pub(crate) fn routes() -> Vec<Route> {
    let mut routes = reading::<Network>();
    routes.extend([
        post("/networks", create),
        put("/networks/{id}", update),
        delete("/networks/{id}", remove),
        get("/networks/{id}/members", members::list),
        post("/networks/{id}/actions/add_subnet", change::add_subnet),
        post(
            "/networks/{id}/actions/delete_subnet",
            change::delete_subnet,
        ),
        post("/networks/{id}/actions/add_route", change::add_route),
        post("/networks/{id}/actions/delete_route", change::delete_route),
        post(
            "/networks/{id}/actions/change_ip_range",
            change::change_ip_range,
        ),
        post(
            "/networks/{id}/actions/change_protection",
            change_protection::<Network>,
        ),
    ]);
    routes
}

fn create(call: &mut Call<'_>) -> Answer {
    let mut fields = call.fields()?;
    let zones = change::zones(call.project);
    let name = fields.name(128);
    let ip_range = read_network_range(&mut fields);
    let subnets = fields.each("subnets", |subnet| change::read_subnet(subnet, &zones));
    let routes = fields.each("routes", change::read_route);
    let expose = fields.optional("expose_routes_to_vswitch").unwrap_or(false);
    let labels = fields.labels();
    fields.finish()?;
    let project = &mut *call.project;
    project.check_unique::<Network>(&name, None)?;
    project.check_limit::<Network>()?;
    let mut network = Network {
        meta: project.meta(name, labels),
        ip_range,
        subnets: Vec::new(),
        routes: Vec::new(),
        expose_routes_to_vswitch: expose,
    };
    for subnet in subnets {
        network.add_subnet(subnet)?;
    }
    for route in routes {
        network.add_route(route)?;
    }
    let reply = Reply::created(json!({"network": network.view(project)}));
    project.state.networks.insert(network.meta.id, network);
    Ok(reply)
}

/// A private range of at least 256 addresses.
fn read_network_range(fields: &mut Fields) -> Ipv4Net {
    let range = read_range(fields, "ip_range");
    let private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
    let mut private = private
        .iter()
        .filter_map(|text| text.parse::<Ipv4Net>().ok());
    if let Some(range) = range
        && (range.prefix_len() > 24 || !private.any(|private| private.contains(&range)))
    {
        fields.wrong(
            "ip_range",
            "has to be a private range of at least 256 addresses",
        );
    }
    range.unwrap_or_default()
}

/// A range whose address is the first in it.
fn read_range(fields: &mut Fields, name: &str) -> Option<Ipv4Net> {
    let text: String = fields.required(name);
    let range = text
        .parse::<Ipv4Net>()
        .ok()
        .filter(|range| range.trunc() == *range);
    if range.is_none() && !text.is_empty() {
        fields.wrong(name, "has to be a network in CIDR notation");
    }
    range
}

fn update(call: &mut Call<'_>) -> Answer {
    let mut fields = call.fields()?;
    let expose: Option<bool> = fields.optional("expose_routes_to_vswitch");
    rename_with::<Network>(call, &mut fields, |network| {
        network.expose_routes_to_vswitch = expose.unwrap_or(network.expose_routes_to_vswitch);
    })
}

/// Servers that are in it are taken out.
fn remove(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    check_unprotected(Network::KIND, &call.project.find::<Network>(id)?.meta)?;
    call.project.check_no_change(id)?;
    for server in call.project.state.servers.values_mut() {
        server.private_net.retain(|net| net.network != id);
    }
    call.project.state.networks.remove(&id);
    Ok(Reply::empty())
}

impl Project {
    /// A network changes one step at a time.
    pub(crate) fn check_no_change(&self, network: i64) -> Result<(), ApiError> {
        if self.is_locked(Network::KIND, network) {
            let message = "another change of the network has not ended";
            return Err(ApiError::new("conflict", message));
        }
        Ok(())
    }
}
