//! A server, a server type and a location as answers show them.

use serde_json::{Value, json};

use super::Server;
use crate::hetzner::catalog::{Location, ServerType};
use crate::hetzner::dns;
use crate::hetzner::primary_ips::PrimaryIp;
use crate::hetzner::project::Project;
use crate::hetzner::resource::Resource;

pub(crate) fn server(server: &Server, project: &Project) -> Value {
    let id = server.meta.id;
    let server_type = project.catalog.server_type(server.server_type);
    let offer = server_type.and_then(|known| known.locations.get(&server.location));
    let image = server
        .image
        .and_then(|image| project.state.images.get(&image));
    let floating_ips = project
        .state
        .floating_ips
        .values()
        .filter(|ip| ip.server == Some(id));
    let volumes = project
        .state
        .volumes
        .values()
        .filter(|volume| volume.server == Some(id));
    let group = server
        .placement_group
        .and_then(|group| project.state.placement_groups.get(&group));
    server.meta.view(json!({
        "status": server.status,
        "public_net": {
            "ipv4": address(project, id, "ipv4"),
            "ipv6": address(project, id, "ipv6"),
            "floating_ips": floating_ips.map(|ip| ip.meta.id).collect::<Vec<_>>(),
            "firewalls": project.view_firewalls(id),
        },
        "private_net": server.private_net,
        "server_type": server_type.map(|known| view_type(known, project)),
        "location": view_location(project, &server.location),
        "image": image.map(|image| image.view(project)),
        "iso": null,
        "rescue_enabled": server.rescue,
        "locked": project.is_locked(Server::KIND, id),
        "backup_window": server.backup_window,
        "outgoing_traffic": 0,
        "ingoing_traffic": 0,
        "included_traffic": offer.map(|offer| offer.included_traffic),
        "protection": {"delete": server.meta.protected, "rebuild": server.meta.protected},
        "volumes": volumes.map(|volume| volume.meta.id).collect::<Vec<_>>(),
        "load_balancers": [],
        "primary_disk_size": server.disk,
        "placement_group": group.map(|group| group.view(project)),
    }))
}

fn address(project: &Project, server: i64, kind: &str) -> Value {
    let Some(ip) = PrimaryIp::of_server(&project.state, server, kind) else {
        return Value::Null;
    };
    let dns_ptr = if kind == "ipv4" {
        json!(ip.dns_ptr.get(&ip.ip))
    } else {
        dns::view(&ip.dns_ptr)
    };
    json!({"id": ip.meta.id, "ip": ip.ip, "blocked": false, "dns_ptr": dns_ptr})
}

pub(crate) fn view_location(project: &Project, name: &str) -> Value {
    project.catalog.location(name).map_or(Value::Null, location)
}

pub(crate) fn location(location: &Location) -> Value {
    let Location {
        id,
        name,
        description,
        country,
        city,
        latitude,
        longitude,
        network_zone,
    } = location;
    json!({
        "id": id,
        "name": name,
        "description": description,
        "country": country,
        "city": city,
        "latitude": latitude,
        "longitude": longitude,
        "network_zone": network_zone,
    })
}

pub(crate) fn view_type(known: &ServerType, project: &Project) -> Value {
    let locations = known.locations.iter().filter_map(|(name, offer)| {
        let available = project.available(known, name);
        Some(json!({
            "id": project.catalog.location(name)?.id,
            "name": name,
            "deprecation": offer.deprecation.map(|deprecation| deprecation.view()),
            "recommended": available,
            "available": available,
        }))
    });
    json!({
        "id": known.id,
        "name": known.name,
        "description": known.name.to_uppercase(),
        "cores": known.cores,
        "memory": known.memory,
        "disk": known.disk,
        "deprecation": null,
        "prices": known.prices(&project.catalog),
        "storage_type": known.storage_type,
        "cpu_type": known.cpu_type,
        "category": known.category,
        "architecture": known.architecture,
        "locations": locations.collect::<Vec<_>>(),
    })
}
