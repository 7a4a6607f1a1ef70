//! What a server learns about itself. It is recognised by the address that its request comes from.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Path, State as Extract};
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};

use super::Shared;
use super::primary_ips::PrimaryIp;
use super::project::Project;
use super::servers::Server;

type Text = Result<String, StatusCode>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/hetzner/v1/metadata", get(everything))
        .route("/hetzner/v1/metadata/{key}", get(one))
        .route("/hetzner/v1/userdata", get(user_data))
        .with_state(shared)
}

async fn everything(
    Extract(shared): Extract<Arc<Shared>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
) -> Text {
    let gate = shared.now();
    let facts = facts(&gate.project, who(&gate.project, client)?);
    Ok(facts.iter().fold(String::new(), |mut yaml, (key, value)| {
        // JSON is YAML, and no name is taken for a number or a truth value.
        let _ = writeln!(yaml, "{key}: {value}");
        yaml
    }))
}

async fn one(
    Extract(shared): Extract<Arc<Shared>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    Path(wanted): Path<String>,
) -> Text {
    let gate = shared.now();
    let facts = facts(&gate.project, who(&gate.project, client)?);
    let (_, value) = facts
        .into_iter()
        .find(|(key, _)| *key == wanted)
        .ok_or(StatusCode::NOT_FOUND)?;
    Ok(value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned))
}

/// Empty where there is none.
async fn user_data(
    Extract(shared): Extract<Arc<Shared>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
) -> Text {
    let gate = shared.now();
    let data = who(&gate.project, client)?.user_data.as_ref();
    Ok(data.map(|data| data.0.clone()).unwrap_or_default())
}

fn who(project: &Project, client: SocketAddr) -> Result<&Server, StatusCode> {
    let address = client.ip().to_string();
    let mut addresses = project.state.primary_ips.values();
    let server = addresses
        .find(|ip| ip.ip == address)
        .and_then(|ip| ip.assignee);
    let server = server.and_then(|server| project.state.servers.get(&server));
    server.ok_or(StatusCode::NOT_FOUND)
}

fn facts(project: &Project, server: &Server) -> Vec<(&'static str, Value)> {
    let id = server.meta.id;
    let location = project.catalog.location(&server.location);
    let ipv4 = PrimaryIp::of_server(&project.state, id, "ipv4");
    let keys = server
        .ssh_keys
        .iter()
        .filter_map(|key| project.state.ssh_keys.get(key));
    let nets = server.private_net.iter().enumerate().map(|(index, net)| {
        let network = project.state.networks.get(&net.network);
        json!({
            "network_id": net.network,
            "network_name": network.map(|network| network.meta.name.as_str()),
            "network": network.map(|network| network.ip_range),
            "ip": net.ip,
            "alias_ips": net.alias_ips,
            "mac_address": net.mac_address,
            "interface_num": index + 1,
        })
    });
    vec![
        ("hostname", json!(server.meta.name)),
        ("instance-id", json!(id)),
        (
            "public-ipv4",
            json!(ipv4.map(|ip| ip.ip.as_str()).unwrap_or_default()),
        ),
        ("private-networks", nets.collect()),
        (
            "public-keys",
            keys.map(|key| key.public_key.as_str()).collect(),
        ),
        (
            "availability-zone",
            json!(format!("{}-dc1", server.location)),
        ),
        (
            "region",
            json!(location.map(|location| location.network_zone.as_str())),
        ),
    ]
}
