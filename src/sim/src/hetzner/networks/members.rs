//! Who is in a network.

use serde_json::{Value, json};

use super::Network;
use crate::hetzner::list;
use crate::hetzner::project::Project;
use crate::hetzner::resource::Resource;
use crate::hetzner::route::{Answer, Call};
use crate::hetzner::servers::Server;

pub(super) fn list(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let network = call.project.find::<Network>(id)?;
    let servers = call.project.state.servers.values();
    let members = servers.filter_map(|server| {
        let net = server.private_net(id)?;
        let subnet = network
            .subnets
            .iter()
            .find(|subnet| subnet.ip_range.contains(&net.ip))?;
        Some(json!({
            "type": "server",
            "id": server.meta.id,
            "ip": net.ip,
            "status": status(call.project, id, server.meta.id),
            "alias_ips": net.alias_ips,
            "subnet": subnet.ip_range,
        }))
    });
    let mut members: Vec<Value> = members.collect();
    for filter in ["type", "status", "subnet"] {
        let wanted = call.query.all(filter);
        members
            .retain(|member| wanted.is_empty() || wanted.iter().any(|&one| member[filter] == one));
    }
    for (field, descending) in list::orders(call, &["id", "type", "status", "ip"])?
        .iter()
        .rev()
    {
        members.sort_by_cached_key(|member| (member[field].as_i64(), member[field].to_string()));
        if *descending {
            members.reverse();
        }
    }
    list::values(call, "members", members)
}

fn status(project: &Project, network: i64, server: i64) -> &'static str {
    let both = &[(Network::KIND, network), (Server::KIND, server)];
    if project.runs("detach_from_network", both) {
        "detaching"
    } else if project.runs("change_alias_ips", both) {
        "updating"
    } else {
        "ok"
    }
}
