//! Servers and nodes as a decision sees them.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use fleet_api::names::{
    CONTROL_PLANE, DRAINED, FLEET_LABEL, REBUILT_LABEL, REGION, REGION_LABEL, ROLE_LABEL,
};
use fleet_hetzner::{Server, ServerStatus};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;

use super::decide::{NodeSeen, ServerSeen};
use crate::servers::{Role, Wanted, WantedServer};

/// A fleet's wish as it is seen from within the cluster: the control plane's server is wanted if it is there, its
/// volume is nobody's business here, and servers that are going to be deleted belong to the fleet until they are gone.
pub(super) fn from_within(mut wanted: Wanted, servers: &[Server]) -> Wanted {
    let is_there = |name: &str| servers.iter().any(|server| server.name == name);
    wanted
        .servers
        .retain(|server| server.role != Role::ControlPlane || is_there(&server.name));
    wanted.volume_gb = None;
    let control_plane = wanted
        .servers
        .iter_mut()
        .filter(|server| server.role == Role::ControlPlane);
    // Of whatever type it is.
    control_plane.for_each(|server| server.server_types.clear());
    let leaving = servers.iter().filter(|server| is_leaving(&wanted, server));
    let leaving: Vec<_> = leaving.map(as_it_is).collect();
    wanted.servers.extend(leaving);
    wanted
}

/// Whether it is a server for a region, which no region of the spec needs.
pub(super) fn is_leaving(spec: &Wanted, server: &Server) -> bool {
    let is_wanted = spec.servers.iter().any(|wanted| wanted.name == server.name);
    !is_wanted && role(server) == Some(REGION) && server.name != control_plane(spec)
}

/// The name of the control plane's server.
pub(super) fn control_plane(wanted: &Wanted) -> String {
    format!("{}-{CONTROL_PLANE}", wanted.fleet)
}

fn role(server: &Server) -> Option<&str> {
    server.labels.get(ROLE_LABEL).map(String::as_str)
}

fn as_it_is(server: &Server) -> WantedServer {
    let region = server.labels.get(REGION_LABEL).cloned();
    WantedServer {
        name: server.name.clone(),
        role: Role::Region(region.unwrap_or_default()),
        locations: vec![server.location.name.clone()],
        server_types: Vec::new(),
        ports: Vec::new(),
    }
}

/// The servers that the operator may touch: those for regions. `spec` is the wish of the spec.
pub(super) fn servers<'s>(spec: &Wanted, found: &'s [Server]) -> BTreeMap<String, &'s Server> {
    let regions: Vec<&str> = regions(spec)
        .map(|(_, server)| server.name.as_str())
        .collect();
    let may = |server: &&Server| {
        let is_wanted = regions.contains(&server.name.as_str());
        role(server) != Some(CONTROL_PLANE) && (is_wanted || is_leaving(spec, server))
    };
    found
        .iter()
        .filter(may)
        .map(|server| (server.name.clone(), server))
        .collect()
}

/// The regions that have a server of their own.
pub(super) fn regions(spec: &Wanted) -> impl Iterator<Item = (&String, &WantedServer)> {
    spec.servers.iter().filter_map(|server| match &server.role {
        Role::Region(region) => Some((region, server)),
        Role::ControlPlane => None,
    })
}

pub(super) fn server(server: &Server) -> ServerSeen {
    let rebuilt = server.labels.get(REBUILT_LABEL);
    let rebuilt = rebuilt
        .and_then(|seconds| seconds.parse().ok())
        .and_then(|seconds| Timestamp::from_second(seconds).ok());
    let rests = matches!(server.status, ServerStatus::Running | ServerStatus::Off);
    ServerSeen {
        made: rebuilt.map_or(server.created, |rebuilt| rebuilt.max(server.created)),
        busy: server.locked || !rests,
        unfinished: server.status == ServerStatus::Initializing,
    }
}

/// The nodes that are the fleet's: those with the names of its servers, and those with its labels. Never those of
/// another fleet.
pub(super) fn nodes<N: Borrow<Node>>(
    spec: &Wanted,
    servers: &BTreeMap<String, &Server>,
    nodes: &[N],
) -> BTreeMap<String, NodeSeen> {
    let wanted: BTreeMap<&str, &WantedServer> = regions(spec)
        .map(|(_, server)| (server.name.as_str(), server))
        .collect();
    let is_ours = |node: &Node, name: &str| {
        let label = |key| node.labels().get(key).map(String::as_str);
        match label(FLEET_LABEL) {
            Some(fleet) if fleet != spec.fleet => return false,
            Some(_) if label(ROLE_LABEL) == Some(CONTROL_PLANE) => return false,
            Some(_) if label(ROLE_LABEL) == Some(REGION) => return true,
            _ => {}
        }
        wanted.contains_key(name) || servers.contains_key(name)
    };
    let seen = nodes.iter().filter_map(|node| {
        let node: &Node = node.borrow();
        let name = node.name_any();
        if !is_ours(node, &name) || name == control_plane(spec) {
            return None;
        }
        let seen = node_seen(node, wanted.get(name.as_str()).copied(), &spec.fleet);
        Some((name, seen))
    });
    seen.collect()
}

fn node_seen(node: &Node, wanted: Option<&WantedServer>, fleet: &str) -> NodeSeen {
    let status = node.status.as_ref();
    let mut conditions = status
        .and_then(|it| it.conditions.as_ref())
        .into_iter()
        .flatten();
    let ready = conditions.find(|condition| condition.type_ == "Ready");
    let since = ready.and_then(|ready| ready.last_transition_time.as_ref());
    let has = |(key, value): (String, String)| node.labels().get(&key) == Some(&value);
    NodeSeen {
        ready: ready.is_some_and(|ready| ready.status == "True"),
        since: since.map(|time| time.0),
        labelled: wanted.is_none_or(|wanted| wanted.labels(fleet).into_iter().all(has)),
        drained: node.annotations().contains_key(DRAINED),
    }
}
