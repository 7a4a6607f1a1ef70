//! Who is in a network.

use serde_json::json;

use super::Network;
use crate::hetzner::list;
use crate::hetzner::route::{Answer, Call};

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
            "status": "attached",
            "alias_ips": net.alias_ips,
            "subnet": subnet.ip_range,
        }))
    });
    list::values(call, "members", members.collect())
}
