//! Fields of servers.

use fleet_sim::hetzner::{Server, State};
use serde_json::{Value, json};

use super::{look::See, row::Row};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKtZ0Ykz6ahMlHx6i1oSXBtBxRYeHCFkMUPVWbBbyBzY anna";
const BY_FLEETCTL: See = See::Nothing("fleetctl makes the control plane, and nobody else");

/// The only server is that of the region `south`.
fn south(state: &State) -> Option<&Server> {
    let mut servers = state.servers.values();
    servers.next().filter(|_| servers.next().is_none())
}

fn image(state: &State) -> Option<&str> {
    let image = south(state)?.image?;
    Some(&state.images.get(&image)?.meta.name)
}

fn opens(state: &State, port: &str, from: &str) -> bool {
    let rules = state.firewalls.values().flat_map(|wall| &wall.rules);
    let mut rules = rules.filter(|rule| rule.port.as_deref() == Some(port));
    rules.any(|rule| rule.source_ips.iter().any(|ip| ip == from))
}

pub(super) fn rows() -> Vec<Row> {
    let hetzner = |field: &'static str, value: Value, see: See| Row::new(field, value, see);
    vec![
        hetzner(
            "/infrastructure/hetzner/tokenSecretRef/name",
            json!("hcloud-other"),
            See::Secret("hcloud-other"),
        ),
        hetzner(
            "/infrastructure/hetzner/image",
            json!("debian-13"),
            See::Cloud("its image", |state| image(state) == Some("debian-13")),
        ),
        hetzner(
            "/infrastructure/hetzner/sshKeys",
            json!([KEY]),
            See::Cloud("a key", |state| !state.ssh_keys.is_empty()),
        ),
        hetzner(
            "/infrastructure/hetzner/allowFrom",
            json!(["203.0.113.0/24"]),
            See::Cloud("only from there", |state| {
                opens(state, "22", "203.0.113.0/24") && !opens(state, "22", "0.0.0.0/0")
            }),
        ),
        hetzner(
            "/infrastructure/hetzner/controlPlane/locations",
            json!(["hel1"]),
            BY_FLEETCTL,
        ),
        hetzner(
            "/infrastructure/hetzner/controlPlane/serverTypes",
            json!(["ccx13"]),
            BY_FLEETCTL,
        ),
        hetzner(
            "/infrastructure/hetzner/controlPlane/volumeGb",
            json!(20),
            BY_FLEETCTL,
        ),
        hetzner(
            "/infrastructure/hetzner/placement",
            json!("any"),
            See::Cloud("a group", |state| state.placement_groups.is_empty()),
        ),
        hetzner(
            "/infrastructure/hetzner/network/ipRange",
            json!("10.90.0.0/16"),
            See::Cloud("a network", |state| {
                let mut networks = state.networks.values();
                networks.any(|network| network.ip_range.to_string() == "10.90.0.0/16")
            }),
        ),
        Row::new(
            "/regions/1/serverTypes",
            json!(["cpx22"]),
            See::Status(|status| {
                let server = status.regions[1].server.as_ref();
                server.is_some_and(|server| server.server_type == "cpx22")
            }),
        ),
        Row::new(
            "/regions/1/location",
            json!("nbg1"),
            See::Cloud("it is there", |state| {
                south(state).is_some_and(|server| server.location == "nbg1")
            }),
        ),
        Row::new(
            "/regions/1/listen/port",
            json!(61000),
            See::Cloud("its port is open", |state| {
                opens(state, "61000", "0.0.0.0/0")
            }),
        ),
        Row::new(
            "/updatePolicy/servers",
            json!("Keep"),
            See::Cloud("it stays", |state| image(state) == Some("debian-12")),
        )
        .with("/infrastructure/hetzner/image", json!("debian-13"))
        .alone(),
    ]
}
