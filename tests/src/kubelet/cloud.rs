//! Servers of the simulated cloud that join the cluster, and are lost.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use anyhow::Result;
use fleet_sim::hetzner::{Api, Server, State};
use tokio::time::{Instant, sleep};

use super::{
    nodes::{self, Heart, NewNode},
    world::World,
};

const LOOK_AGAIN: Duration = Duration::from_millis(50);
const OUR_LABELS: &str = "researchfleet.io/";
const ZONE: &str = "topology.kubernetes.io/zone";

/// The identifiers of a server and of what last rebuilt it: one installation of an operating system.
type Installation = (i64, i64);

/// What is known of the servers, by their name.
#[derive(Default)]
struct Joined {
    since: HashMap<String, (Installation, Instant)>,
    joined: HashMap<String, Installation>,
    alive: BTreeSet<String>,
}

pub(super) async fn follow(world: Arc<World>, servers: Arc<Api>, delay: Duration) {
    let mut joined = Joined::default();
    loop {
        let state = servers.state();
        // What fails is tried again at the next look.
        let _ = look(&world, &state, &mut joined, delay).await;
        sleep(LOOK_AGAIN).await;
    }
}

async fn look(world: &World, state: &State, known: &mut Joined, delay: Duration) -> Result<()> {
    let mut running = BTreeMap::new();
    for server in state.servers.values() {
        if server.status == "running" {
            running.insert(server.meta.name.clone(), server);
        }
    }
    for name in known.alive.clone() {
        let same = running
            .get(&name)
            .is_some_and(|server| known.joined.get(&name) == Some(&installation(state, server)));
        if !same {
            nodes::set_heart(world, &name, Heart::Silent).await?;
            known.alive.remove(&name);
        }
    }
    for (name, server) in running {
        let installation = installation(state, server);
        if known.joined.get(&name) == Some(&installation) {
            // It was off.
            if !known.alive.contains(&name) && nodes::exists(world, &name) {
                nodes::set_heart(world, &name, Heart::Ready).await?;
                known.alive.insert(name);
            }
            continue;
        }
        let now = Instant::now();
        let (seen, since) = known
            .since
            .entry(name.clone())
            .or_insert((installation, now));
        if *seen != installation {
            (*seen, *since) = (installation, now);
        }
        if since.elapsed() >= delay {
            nodes::register(world, &new_node(state, server)).await?;
            known.joined.insert(name.clone(), installation);
            known.alive.insert(name);
        }
    }
    Ok(())
}

fn installation(state: &State, server: &Server) -> Installation {
    let rebuilds = state.actions.values().filter(|action| {
        action.command == "rebuild_server"
            && action.status == "success"
            && action.resources.contains(&("server", server.meta.id))
    });
    let last = rebuilds.map(|action| action.id).max();
    (server.meta.id, last.unwrap_or_default())
}

fn new_node(state: &State, server: &Server) -> NewNode {
    let labels = server.meta.labels.iter();
    let mut labels: BTreeMap<_, _> = labels
        .filter(|(key, _)| key.starts_with(OUR_LABELS))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    labels.insert(ZONE.to_owned(), server.location.clone());
    let address = state
        .primary_ips
        .values()
        .find(|ip| ip.kind == "ipv4" && ip.assignee == Some(server.meta.id));
    let kinds = ["ExternalIP", "InternalIP"];
    let addresses = address
        .into_iter()
        .flat_map(|address| kinds.map(|kind| (kind, address.ip.clone())));
    NewNode {
        name: server.meta.name.clone(),
        labels,
        addresses: addresses.collect(),
        provider_id: Some(format!("hcloud://{}", server.meta.id)),
    }
}
