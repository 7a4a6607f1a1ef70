//! Changes of a network: subnets, routes, its range. One at a time.

use super::{Network, NetworkRoute, WantedSubnet, read_network_range, read_range};
use crate::hetzner::errors::ApiError;
use crate::hetzner::fields::Fields;
use crate::hetzner::project::Project;
use crate::hetzner::resource::Resource;
use crate::hetzner::route::{Answer, Call};

/// The zones that there are.
pub(super) fn zones(project: &Project) -> Vec<String> {
    let locations = project.catalog.locations.iter();
    locations
        .map(|location| location.network_zone.clone())
        .collect()
}

pub(super) fn read_subnet(fields: &mut Fields, zones: &[String]) -> WantedSubnet {
    let kind = fields.choice("type", &["cloud", "server", "vswitch"]);
    if kind == "vswitch" {
        fields.wrong("vswitch_id", "vSwitch not found");
    }
    let ip_range = if fields.has("ip_range") {
        read_range(fields, "ip_range")
    } else {
        None
    };
    if ip_range.is_some_and(|range| range.prefix_len() > 30) {
        fields.wrong("ip_range", "has to have at least 4 addresses");
    }
    let network_zone: String = fields.required("network_zone");
    if !network_zone.is_empty() && !zones.contains(&network_zone) {
        fields.wrong(
            "network_zone",
            format!("network zone '{network_zone}' not found"),
        );
    }
    WantedSubnet {
        kind,
        ip_range,
        network_zone,
    }
}

pub(super) fn read_route(fields: &mut Fields) -> NetworkRoute {
    let destination = read_range(fields, "destination").unwrap_or_default();
    let gateway: String = fields.required("gateway");
    let address = gateway.parse();
    if address.is_err() && !gateway.is_empty() {
        fields.wrong("gateway", "has to be an IPv4 address");
    }
    let gateway = address.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED);
    NetworkRoute {
        destination,
        gateway,
    }
}

/// Begins what `change` does to the network. It is tried out first, so that it cannot fail later.
fn begin(
    call: &mut Call<'_>,
    command: &str,
    change: impl FnOnce(&mut Network) -> Result<(), ApiError>,
) -> Answer {
    let id = call.id();
    let mut changed = call.project.find::<Network>(id)?.clone();
    change(&mut changed)?;
    let Network {
        ip_range,
        subnets,
        routes,
        ..
    } = changed;
    let action = call
        .project
        .begin(command, &[(Network::KIND, id)], move |project| {
            project.change::<Network>(id, |network| {
                network.ip_range = ip_range;
                network.subnets = subnets;
                network.routes = routes;
            });
        });
    call.action(action)
}

fn ready(call: &Call<'_>) -> Result<Fields, ApiError> {
    call.project.find::<Network>(call.id())?;
    call.project.check_no_change(call.id())?;
    call.fields()
}

pub(super) fn add_subnet(call: &mut Call<'_>) -> Answer {
    let mut fields = ready(call)?;
    let subnet = read_subnet(&mut fields, &zones(call.project));
    fields.finish()?;
    begin(call, "add_subnet", |network| network.add_subnet(subnet))
}

pub(super) fn delete_subnet(call: &mut Call<'_>) -> Answer {
    let mut fields = ready(call)?;
    let range = read_range(&mut fields, "ip_range").unwrap_or_default();
    fields.finish()?;
    let id = call.id();
    let mut nets = call
        .project
        .state
        .servers
        .values()
        .filter_map(|server| server.private_net(id));
    if nets.any(|net| range.contains(&net.ip)) {
        return Err(ApiError::new("resource_in_use", "subnet still has servers"));
    }
    begin(call, "delete_subnet", |network| {
        let before = network.subnets.len();
        network.subnets.retain(|subnet| subnet.ip_range != range);
        found(
            network.subnets.len() < before,
            "ip_range",
            "the network has no such subnet",
        )
    })
}

pub(super) fn add_route(call: &mut Call<'_>) -> Answer {
    let mut fields = ready(call)?;
    let route = read_route(&mut fields);
    fields.finish()?;
    begin(call, "add_route", |network| network.add_route(route))
}

pub(super) fn delete_route(call: &mut Call<'_>) -> Answer {
    let mut fields = ready(call)?;
    let route = read_route(&mut fields);
    fields.finish()?;
    begin(call, "delete_route", |network| {
        let before = network.routes.len();
        network.routes.retain(|known| *known != route);
        found(
            network.routes.len() < before,
            "destination",
            "the network has no such route",
        )
    })
}

pub(super) fn change_ip_range(call: &mut Call<'_>) -> Answer {
    let mut fields = ready(call)?;
    let range = read_network_range(&mut fields);
    fields.finish()?;
    begin(call, "change_ip_range", |network| {
        let grows = range.contains(&network.ip_range) && range != network.ip_range;
        network.ip_range = range;
        found(grows, "ip_range", "a network can only grow")
    })
}

fn found(is: bool, field: &str, message: &str) -> Result<(), ApiError> {
    if is {
        Ok(())
    } else {
        Err(ApiError::field(field, message))
    }
}
