//! What the players know: the objects that they watch, and what the test has told them.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, Pod};
use kube::{
    Client, ResourceExt as _,
    runtime::reflector::{ObjectRef, Store},
};
use tokio::time::Instant;

use super::{Play, nodes::Heart};

pub(super) struct World {
    pub(super) client: Client,
    /// None plays for all.
    pub(super) namespace: Option<String>,
    pub(super) nodes: Store<Node>,
    pub(super) pods: Store<Pod>,
    pub(super) claims: Store<PersistentVolumeClaim>,
    told: Mutex<Told>,
}

#[derive(Default)]
pub(super) struct Told {
    rules: Vec<(String, Play)>,
    addresses: Vec<(String, IpAddr)>,
    /// By the name of the node.
    pub(super) hearts: BTreeMap<String, Heart>,
    /// The nodes of pods that were bound, by the pod's UID: the watch may not know it yet.
    pub(super) placed: HashMap<String, String>,
    /// What a pod is in the middle of, and since when; by its UID.
    since: HashMap<String, (&'static str, Instant)>,
    nodes_made: u8,
}

impl World {
    pub(super) fn new(
        client: Client,
        namespace: Option<&str>,
        nodes: Store<Node>,
        pods: Store<Pod>,
        claims: Store<PersistentVolumeClaim>,
    ) -> Self {
        Self {
            client,
            namespace: namespace.map(str::to_owned),
            nodes,
            pods,
            claims,
            told: Mutex::default(),
        }
    }

    pub(super) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn node(&self, name: &str) -> Option<Arc<Node>> {
        self.nodes.get(&ObjectRef::new(name))
    }

    pub(super) fn add_rule(&self, prefix: &str, play: Play) {
        self.told().rules.push((prefix.to_owned(), play));
    }

    pub(super) fn add_address(&self, prefix: &str, ip: IpAddr) {
        self.told().addresses.push((prefix.to_owned(), ip));
    }

    /// An address for a node that has none.
    pub(super) fn next_address(&self) -> String {
        let mut told = self.told();
        told.nodes_made = told.nodes_made.wrapping_add(1);
        Ipv4Addr::new(10, 1, 0, told.nodes_made).to_string()
    }

    pub(super) fn play_of(&self, pod: &Pod) -> Play {
        let name = pod.name_any();
        let told = self.told();
        let mut rules = told.rules.iter().rev();
        let rule = rules.find(|(prefix, _)| name.starts_with(prefix));
        rule.map_or_else(|| usual(pod), |(_, play)| *play)
    }

    pub(super) fn ip_of(&self, pod: &Pod) -> IpAddr {
        let name = pod.name_any();
        let told = self.told();
        let mut addresses = told.addresses.iter().rev();
        let found = addresses.find(|(prefix, _)| name.starts_with(prefix));
        found.map_or(Ipv4Addr::LOCALHOST.into(), |(_, ip)| *ip)
    }

    /// For how long this has gone on with an object; the first call begins it.
    pub(super) fn since(&self, uid: &str, what: &'static str) -> Duration {
        let mut told = self.told();
        let (known, begin) = told
            .since
            .entry(uid.to_owned())
            .or_insert_with(|| (what, Instant::now()));
        if *known != what {
            (*known, *begin) = (what, Instant::now());
        }
        begin.elapsed()
    }

    /// Whether pods may be put on this node.
    pub(super) fn is_ours(&self, node: &str) -> bool {
        self.namespace.is_none() || self.told().hearts.contains_key(node)
    }
}

fn usual(pod: &Pod) -> Play {
    let of_job = pod
        .owner_references()
        .iter()
        .any(|owner| owner.kind == "Job");
    if of_job {
        Play::Succeed(Duration::ZERO)
    } else {
        Play::Ready
    }
}
