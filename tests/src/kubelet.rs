//! Plays what a control plane of the tests lacks: the scheduler, the kubelets with their nodes, and whoever makes
//! volumes. Pods "run" as the test says; the API server and the controllers are real.
//!
//! What it leaves out: requests of CPU and memory, topology spread, preferred affinity, probes, and affinity between
//! pods. Anti-affinity that is required is kept to.

mod cloud;
mod nodes;
mod pods;
mod scheduler;
mod selectors;
mod status;
mod volumes;
mod world;

use std::{collections::BTreeMap, fmt, net::IpAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use fleet_sim::hetzner;
use futures_util::{Stream, StreamExt as _, stream};
use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim, Pod};
use kube::{
    Api, Client, Resource,
    runtime::{
        Controller, WatchStreamExt as _,
        controller::Action,
        reflector::{self, Store},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use self::{nodes::Heart, world::World};

/// From a pod that is bound, deleted or asked to grow until a kubelet has done it.
const BEAT: Duration = Duration::from_millis(50);

/// After an error, which is usually that somebody else was faster.
const AGAIN: Duration = Duration::from_millis(100);

/// How long the first lists may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// What pods do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Play {
    /// They run, and are ready.
    Ready,
    /// They run, and their probes fail.
    NotReady,
    /// Their containers end with an error again and again.
    CrashLoop,
    /// There is no such image.
    ImagePullBackOff,
    /// They run for this long, and succeed.
    Succeed(Duration),
    /// They fail for good, whatever their restart policy is.
    Fail,
}

/// The players. They end when this is dropped; what they have made stays in the cluster, and its nodes are unknown
/// after a minute.
pub struct Kubelets {
    world: Arc<World>,
    // Lets every pod be looked at.
    wake: mpsc::UnboundedSender<()>,
    tasks: Vec<AbortOnDropHandle<()>>,
    followers: std::sync::Mutex<Vec<AbortOnDropHandle<()>>>,
}

impl fmt::Debug for Kubelets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Kubelets")
            .field("namespace", &self.world.namespace)
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}

impl Kubelets {
    /// Plays for the whole cluster, on all its nodes: for a test that has a control plane of its own.
    pub async fn start(client: Client) -> Result<Self> {
        Self::play_in(client, None).await
    }

    /// Plays for one namespace, on the nodes that are made here: for a test in a shared cluster. Names of nodes have
    /// to be the test's own.
    pub async fn start_in(client: Client, namespace: &str) -> Result<Self> {
        Self::play_in(client, Some(namespace)).await
    }

    async fn play_in(client: Client, namespace: Option<&str>) -> Result<Self> {
        volumes::make_classes(&client).await?;
        let (nodes, writer) = reflector::store();
        let pods = controller::<Pod>(api(&client, namespace));
        let claims = controller::<PersistentVolumeClaim>(api(&client, namespace));
        let world = Arc::new(World::new(
            client.clone(),
            namespace,
            nodes,
            pods.store(),
            claims.store(),
        ));
        let (wake, woken) = mpsc::unbounded_channel();
        let seen = watcher(Api::<Node>::all(client.clone()), watcher::Config::default())
            .default_backoff()
            .reflect(writer)
            .touched_objects();
        let mut tasks = vec![
            spawn(wake_pods(seen, wake.clone())),
            spawn(drain(claims.run(
                volumes::look_at_claim,
                again,
                Arc::clone(&world),
            ))),
            spawn(drain(controller::<PersistentVolume>(Api::all(client)).run(
                volumes::look_at_volume,
                again,
                Arc::clone(&world),
            ))),
            spawn(nodes::keep_alive(Arc::clone(&world))),
        ];
        // A pod whose node is not known yet would be taken for a lost one.
        until_ready(&world.nodes).await?;
        until_ready(&world.claims).await?;
        tasks.push(spawn(drain(pods.reconcile_all_on(received(woken)).run(
            pods::look,
            again,
            Arc::clone(&world),
        ))));
        until_ready(&world.pods).await?;
        Ok(Self {
            world,
            wake,
            tasks,
            followers: std::sync::Mutex::default(),
        })
    }

    /// A node that is ready. One of this name that is there already is taken over.
    pub async fn add_node(&self, name: &str, labels: &[(&str, &str)]) -> Result<()> {
        let labels = labels
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()));
        let node = nodes::NewNode {
            name: name.to_owned(),
            labels: labels.collect(),
            addresses: BTreeMap::from([("InternalIP", self.world.next_address())]),
            provider_id: None,
        };
        nodes::register(&self.world, &node).await
    }

    /// Lets the kubelet of a node be fine, or say that it is not; it stays so.
    pub async fn set_node_ready(&self, name: &str, ready: bool) -> Result<()> {
        let heart = if ready { Heart::Ready } else { Heart::NotReady };
        nodes::set_heart(&self.world, name, heart).await
    }

    /// Ends the kubelet of a node and deletes its object.
    pub async fn remove_node(&self, name: &str) -> Result<()> {
        nodes::remove(&self.world, name).await
    }

    /// From now on each running server of a simulated project becomes a node after `delay`, as an agent on it would
    /// make it: named like the server, with its labels of `researchfleet.io/`, its location as the zone, and its
    /// address.
    ///
    /// The node of a server that is off, being rebuilt or deleted is unknown, and its object stays. An object that
    /// somebody deletes comes back only when the server is rebuilt, or another server has the name.
    pub fn follow(&self, servers: Arc<hetzner::Api>, delay: Duration) {
        let follower = spawn(cloud::follow(Arc::clone(&self.world), servers, delay));
        if let Ok(mut followers) = self.followers.lock() {
            followers.push(follower);
        }
    }

    /// What the pods do whose name begins with this, from now on, those that run included. The last word counts.
    ///
    /// Without a word, the pod of a Job succeeds at once, and every other is ready.
    pub fn play(&self, prefix: &str, play: Play) {
        self.world.add_rule(prefix, play);
        self.wake_all();
    }

    /// The address of the pods whose name begins with this. It is `127.0.0.1` for all others, which no `EndpointSlice`
    /// takes.
    pub fn set_pod_ip(&self, prefix: &str, ip: IpAddr) {
        self.world.add_address(prefix, ip);
        self.wake_all();
    }

    fn wake_all(&self) {
        // There is nobody to wake at the end of a test.
        let _ = self.wake.send(());
    }
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

fn controller<K>(api: Api<K>) -> Controller<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + fmt::Debug + Send + Sync + 'static,
{
    Controller::new(api, watcher::Config::default())
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(task))
}

/// What comes of a look is in the cluster.
async fn drain(looks: impl Stream) {
    looks.for_each(async |_| ()).await;
}

fn again<K>(_: Arc<K>, _: &kube::Error, _: Arc<World>) -> Action {
    Action::requeue(AGAIN)
}

/// Waits for the first list. It asks again and again: a store wakes only the last of those who wait for it, and its
/// controller is another one.
async fn until_ready<K>(store: &Store<K>) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let wait = async {
        loop {
            if let Ok(ready) = timeout(AGAIN, store.wait_until_ready()).await {
                break ready.context("the watch has ended");
            }
        }
    };
    timeout(PATIENCE, wait).await.context("nothing is listed")?
}

fn received<T>(receiver: mpsc::UnboundedReceiver<T>) -> impl Stream<Item = T> {
    stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|item| (item, receiver))
    })
}

/// A change of a node concerns the pods on it, and those that have no place.
async fn wake_pods<E>(nodes: impl Stream<Item = Result<Node, E>>, wake: mpsc::UnboundedSender<()>) {
    nodes
        .for_each(async |_| {
            // There is nobody to wake at the end of a test.
            let _ = wake.send(());
        })
        .await;
}
