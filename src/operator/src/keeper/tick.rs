//! One tick: look, decide, act.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use fleet_api::conditions::reasons;
use fleet_api::{ResearchCollector, UpdatePolicy};
use fleet_hetzner::{Client, Server, ServerFilter};
use k8s_openapi::api::core::v1::Node;
use secrecy::SecretString;

use super::act::Acting;
use super::clients::Clients;
use super::decide::{Act, Decision, NodeSeen, decide};
use super::door::{Authority, Door};
use super::error::{KeeperError, chain};
use super::kept::{Happening, Kept};
use super::memory::Memory;
use super::options::KeeperOptions;
use super::picture::{Look, Picture, Unclear};
use super::{report, view};
use crate::cluster::{Cluster, ClusterError, delete_tokens, list_nodes};
use crate::servers::{Setup, Wanted};

const NO_ADDRESS: &str = "it is not known where new servers can join the cluster: \
                          start the operator with --join-address https://HOST:PORT";

/// Keeps the servers of fleets. Clones are the same keeper.
#[derive(Clone)]
pub struct Keeper {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) cluster: Cluster,
    pub(super) options: KeeperOptions,
    pub(super) clients: Clients,
    pub(super) memory: Arc<Memory>,
    authority: Arc<Authority>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper")
            .field("cluster", &self.inner.cluster)
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}

/// What a tick is about.
pub(super) struct Tick<'t> {
    pub(super) keeper: &'t Inner,
    pub(super) client: Client,
    /// What the spec wants.
    pub(super) spec: Wanted,
    policy: &'t UpdatePolicy,
    /// By which the fleet is remembered, and for which spec.
    pub(super) id: String,
    generation: Option<i64>,
    pub(super) told: &'t (dyn Fn(Happening) + Sync),
}

/// What was seen, and what is done about it.
struct Seen {
    picture: Picture,
    decision: Decision,
    nodes: BTreeMap<String, NodeSeen>,
    is_full: bool,
}

impl Keeper {
    /// Nothing is sent yet.
    pub fn new(cluster: Cluster, options: KeeperOptions) -> Self {
        let inner = Inner {
            cluster,
            clients: Clients::new(&options),
            options,
            memory: Arc::default(),
            authority: Arc::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// One tick for a fleet. `nodes` are the cluster's, as they were last seen; before something is stopped or deleted
    /// they are looked at again. `told` hears of what was done and what went wrong.
    pub async fn tick<N: Borrow<Node> + Sync>(
        &self,
        fleet: &ResearchCollector,
        token: &SecretString,
        nodes: &[N],
        told: impl Fn(Happening) + Sync,
    ) -> Result<Kept, KeeperError> {
        let Some(spec) = Wanted::of(fleet)? else {
            return Ok(Kept::nothing());
        };
        let client = match self.inner.clients.of(token) {
            Ok(client) => client,
            Err(error) => return Ok(report::provider(&error)),
        };
        let tick = Tick {
            keeper: &self.inner,
            client,
            spec,
            policy: &fleet.spec.update_policy,
            id: id(fleet),
            generation: fleet.metadata.generation,
            told: &told,
        };
        // All that may be going on at once is large, and callers have many ticks at once.
        Box::pin(tick.run(nodes)).await
    }
}

/// By which a fleet is remembered.
pub(super) fn id(fleet: &ResearchCollector) -> String {
    let metadata = &fleet.metadata;
    let named = || {
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let name = metadata.name.as_deref().unwrap_or_default();
        format!("{namespace}/{name}")
    };
    metadata.uid.clone().unwrap_or_else(named)
}

impl Tick<'_> {
    async fn run<N: Borrow<Node> + Sync>(self, nodes: &[N]) -> Result<Kept, KeeperError> {
        let filter = ServerFilter {
            label_selector: Some(self.spec.all.clone()),
            ..ServerFilter::default()
        };
        let servers = match self.client.servers().list(&filter).await {
            Ok(servers) => servers,
            Err(error) => return Ok(report::provider(&error)),
        };
        let Some(setup) = self.setup(&servers).await? else {
            let message = NO_ADDRESS.to_owned();
            return Ok(Kept::unknown(reasons::CLUSTER_ERROR, message));
        };
        let mut seen = match self.see(servers, &setup, nodes).await {
            Ok(seen) => seen,
            Err(unseen) => return Ok(unseen),
        };
        self.clean_tokens(&seen).await?;
        if seen.decision.acts.iter().any(Act::is_final) {
            // What was seen may be old, and this cannot be taken back.
            let nodes = list_nodes(&self.keeper.cluster).await?;
            seen.nodes = self.nodes(&seen.picture, &nodes);
            seen.decision = self.decide(&seen.picture, &seen.nodes);
        }
        let replaces = |act: &Act| matches!(act, Act::Replace(_));
        if seen.decision.acts.iter().any(replaces) {
            let asked = seen.picture.ask_for_catalogue(&self.client, &self.spec);
            if let Err(error) = asked.await {
                return Ok(report::provider(&error));
            }
        }
        self.remember(&seen);
        let acting = Acting {
            tick: &self,
            picture: &seen.picture,
            setup: &setup,
            nodes: &seen.nodes,
        };
        let mut failures = acting.run(&seen.decision).await;
        let lost = failures.iter_mut().find_map(|failure| failure.lost.take());
        if let Some(lost) = lost {
            return Err(lost.into());
        }
        Ok(report::kept(
            &self.spec,
            &seen.picture,
            &seen.decision,
            &seen.nodes,
            &failures,
        ))
    }

    /// What new servers are told, if it can be known.
    async fn setup(&self, servers: &[Server]) -> Result<Option<Setup>, KeeperError> {
        if view::regions(&self.spec).next().is_none() {
            // Nobody joins.
            return Ok(Some(Setup::Hosts));
        }
        let control_plane = view::control_plane(&self.spec);
        let control_plane = servers.iter().find(|server| server.name == control_plane);
        let door = Door {
            cluster: self.keeper.cluster.clone(),
            joining: self.keeper.options.joining,
            authority: Arc::clone(&self.keeper.authority),
            memory: Arc::clone(&self.keeper.memory),
            fleet: self.spec.fleet.clone(),
            id: self.id.clone(),
        };
        Ok(door.setup(&self.keeper.options, control_plane).await?)
    }

    /// The servers are enough as long as they are as they should be. If something has to be done, everything is looked
    /// at before.
    async fn see<N: Borrow<Node> + Sync>(
        &self,
        servers: Vec<Server>,
        setup: &Setup,
        nodes: &[N],
    ) -> Result<Seen, Kept> {
        let remembered = self.keeper.memory.look(&self.id, self.generation);
        if let Some(look) = remembered
            && let Ok(picture) = self.picture(look.with(servers), setup)
        {
            let seen = self.seen(picture, nodes, false);
            if !seen.picture.is_acted_on(&seen.decision) {
                return Ok(seen);
            }
        }
        let provider = |error: fleet_hetzner::Error| report::provider(&error);
        let look = Look::full(&self.client, &self.spec)
            .await
            .map_err(provider)?;
        let picture = match self.picture(look.clone(), setup) {
            Err(Unclear::Catalogue(_)) => {
                let look = look.with_catalogue(&self.client, &self.spec).await;
                self.picture(look.map_err(provider)?, setup)
            }
            other => other,
        };
        let picture =
            picture.map_err(|error| Kept::unknown(reasons::INVALID_SPEC, chain(&error)))?;
        Ok(self.seen(picture, nodes, true))
    }

    fn picture(&self, look: Look, setup: &Setup) -> Result<Picture, Unclear> {
        Picture::of(&self.spec, look, setup, self.policy.servers)
    }

    fn seen<N: Borrow<Node>>(&self, picture: Picture, nodes: &[N], is_full: bool) -> Seen {
        let nodes = self.nodes(&picture, nodes);
        Seen {
            decision: self.decide(&picture, &nodes),
            picture,
            nodes,
            is_full,
        }
    }

    fn nodes<N: Borrow<Node>>(&self, picture: &Picture, nodes: &[N]) -> BTreeMap<String, NodeSeen> {
        let servers = view::servers(&self.spec, &picture.found().servers);
        view::nodes(&self.spec, &servers, nodes)
    }

    fn decide(&self, picture: &Picture, nodes: &BTreeMap<String, NodeSeen>) -> Decision {
        decide(&picture.world(&self.spec, nodes.clone(), self.policy))
    }

    /// Before anything is done, since the tick may end at any moment.
    fn remember(&self, seen: &Seen) {
        let memory = &self.keeper.memory;
        if seen.picture.is_acted_on(&seen.decision) {
            memory.forget_look(&self.id);
        } else if seen.is_full || seen.picture.catalogue().is_some() {
            memory.keep_look(&self.id, self.generation, seen.picture.look.clone());
        }
    }

    /// Tokens of servers that have joined, and those that have expired. They are looked for when a server has joined,
    /// and now and then.
    async fn clean_tokens(&self, seen: &Seen) -> Result<(), KeeperError> {
        let memory = &self.keeper.memory;
        if !seen.is_full && memory.are_without_tokens(&self.id, &joined(&seen.nodes)) {
            return Ok(());
        }
        // The node of a machine that is being rebuilt may still be in the picture; its token is needed.
        let nodes = list_nodes(&self.keeper.cluster).await?;
        let joined = joined(&self.nodes(&seen.picture, &nodes));
        let names: Vec<&str> = joined.iter().map(String::as_str).collect();
        match delete_tokens(&self.keeper.cluster, &self.spec.fleet, &names).await {
            Ok(_) => memory.keep_tokens(&self.id, Some(joined)),
            Err(error @ ClusterError::Unreachable { .. }) => return Err(error.into()),
            // They end within an hour by themselves, so nothing has to wait for it.
            Err(error) => (self.told)(Happening {
                warning: true,
                reason: "TokensNotDeleted",
                note: chain(&error),
            }),
        }
        Ok(())
    }
}

fn joined(nodes: &BTreeMap<String, NodeSeen>) -> BTreeSet<String> {
    let ready = nodes.iter().filter(|(_, node)| node.ready);
    ready.map(|(name, _)| name.clone()).collect()
}
