//! Taking a fleet's servers away, and what stands around them.

use std::collections::{BTreeMap, BTreeSet};

use fleet_api::ResearchCollector;
use fleet_hetzner::Client;
use futures_util::future::join_all;
use secrecy::SecretString;

use super::error::{KeeperError, chain};
use super::tick::{Keeper, id};
use super::view;
use crate::cluster::{delete_tokens, forget_node, list_nodes};
use crate::servers::{Demolition, Found, Item, Kind, Progress, Remains, Wanted};

/// How often it is looked whether something has come up meanwhile.
const ROUNDS: usize = 3;

impl Keeper {
    /// Deletes all servers of a fleet that is being deleted, and what stands around them; volumes only if it is said.
    /// The control plane's server stays with all that it needs, because the operator runs on it. What is gone already
    /// is a success, so it can be called again after any end.
    pub async fn destroy(
        &self,
        fleet: &ResearchCollector,
        token: &SecretString,
        volumes: bool,
    ) -> Result<(), KeeperError> {
        self.inner.memory.forget(&id(fleet));
        let Some(spec) = Wanted::of(fleet)? else {
            return Ok(());
        };
        let client = self.inner.clients.of(token)?;
        let mut names: BTreeSet<String> = view::regions(&spec)
            .map(|(_, server)| server.name.clone())
            .collect();
        let mut remains = Remains::new();
        for _ in 0..ROUNDS {
            let found = Found::find(&client, &spec).await?;
            names.extend(view::servers(&spec, &found.servers).into_keys());
            let mut demolition = demolition(&found, &spec, volumes);
            // What cannot be deleted is not tried again.
            demolition
                .delete
                .retain(|(item, _)| !remains.iter().any(|(failed, _)| failed == item));
            if demolition.delete.is_empty() {
                break;
            }
            remains.extend(round(&demolition, &client).await);
        }
        if !remains.is_empty() {
            return Err(left(&remains));
        }
        self.forget_nodes(&spec, &names).await
    }

    async fn forget_nodes(
        &self,
        spec: &Wanted,
        names: &BTreeSet<String>,
    ) -> Result<(), KeeperError> {
        let cluster = &self.inner.cluster;
        let nodes = list_nodes(cluster).await?;
        let nodes = view::nodes(spec, &BTreeMap::new(), &nodes);
        let all: BTreeSet<&String> = nodes.keys().chain(names).collect();
        let done = join_all(all.iter().map(|name| forget_node(cluster, name))).await;
        done.into_iter().collect::<Result<(), _>>()?;
        let all: Vec<&str> = all.into_iter().map(String::as_str).collect();
        delete_tokens(cluster, &spec.fleet, &all).await?;
        Ok(())
    }
}

async fn round(demolition: &Demolition, client: &Client) -> Remains {
    let (_, remains) = demolition.round(client, &Progress::unwatched()).await;
    remains
}

/// All that is there, without what the control plane's server needs, if it is there.
fn demolition(found: &Found, spec: &Wanted, volumes: bool) -> Demolition {
    let name = view::control_plane(spec);
    let mut demolition = Demolition::of(found, spec, volumes);
    let Some(control_plane) = found.servers.iter().find(|server| server.name == name) else {
        return demolition;
    };
    let needs = |item: &Item, id: i64| match item.kind {
        Kind::Server | Kind::PrimaryIp => item.name == name,
        Kind::Firewall => true,
        Kind::Volume => item.name == name || control_plane.volumes.contains(&id),
        Kind::Network => {
            let mut networks = control_plane.private_net.iter();
            networks.any(|net| net.network == id)
        }
        Kind::SshKey | Kind::PlacementGroup => false,
    };
    demolition.delete.retain(|(item, id)| !needs(item, *id));
    demolition
}

fn left(remains: &Remains) -> KeeperError {
    let reasons = remains
        .iter()
        .map(|(item, error)| format!("{}: {}", item.name, chain(error)));
    KeeperError::Remains {
        reasons: reasons.collect::<Vec<_>>().join("; "),
    }
}
