//! What is in the cluster, watched: one watch a kind, limited by label, and a call for the fleet that something
//! belongs to.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use fleet_api::ResearchCollector;
use fleet_api::names::FLEET_LABEL;
use futures_util::{Stream, StreamExt as _};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{
    ConfigMap, Node, PersistentVolumeClaim, Pod, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::store::WriterDropped;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use super::found::{Found, fleet_of};
use super::names::{MANAGED_BY, OPERATOR};

/// A call for a fleet to be looked at.
pub(crate) type Calls = UnboundedSender<ObjectRef<ResearchCollector>>;

/// All that is watched.
#[derive(Debug, Clone)]
pub(crate) struct Stores {
    /// Collectors and databases.
    pub(crate) stateful_sets: Store<StatefulSet>,
    /// Poolers.
    pub(crate) deployments: Store<Deployment>,
    /// Migrations and runs.
    pub(crate) jobs: Store<Job>,
    /// What is done from time to time.
    pub(crate) cron_jobs: Store<CronJob>,
    /// Pods.
    pub(crate) pods: Store<Pod>,
    /// Volumes.
    pub(crate) claims: Store<PersistentVolumeClaim>,
    /// Nodes.
    pub(crate) nodes: Store<Node>,
    /// Of these only the metadata.
    pub(crate) config_maps: Store<PartialObjectMeta<ConfigMap>>,
    /// As above.
    pub(crate) services: Store<PartialObjectMeta<Service>>,
    /// As above.
    pub(crate) service_accounts: Store<PartialObjectMeta<ServiceAccount>>,
    /// As above.
    pub(crate) network_policies: Store<PartialObjectMeta<NetworkPolicy>>,
    /// As above.
    pub(crate) disruption_budgets: Store<PartialObjectMeta<PodDisruptionBudget>>,
}

/// Where something is watched.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    /// In all namespaces.
    All,
    /// In one.
    One(String),
}

impl Scope {
    /// Objects of a kind in this scope.
    pub(crate) fn api<K>(&self, client: Client) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        match self {
            Self::All => Api::all(client),
            Self::One(namespace) => Api::namespaced(client, namespace),
        }
    }
}

impl Stores {
    /// Begins to watch. The tasks end with the set.
    pub(crate) fn watch(
        client: &Client,
        scope: &Scope,
        calls: &Calls,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let mut watch = Watch {
            client,
            scope,
            calls,
            tasks,
        };
        Self {
            stateful_sets: watch.objects(),
            deployments: watch.objects(),
            jobs: watch.objects(),
            cron_jobs: watch.objects(),
            pods: watch.objects(),
            claims: watch.objects(),
            nodes: watch.nodes(),
            config_maps: watch.objects(),
            services: watch.objects(),
            service_accounts: watch.objects(),
            network_policies: watch.objects(),
            disruption_budgets: watch.objects(),
        }
    }

    /// Waits until everything has been seen once.
    pub(crate) async fn wait_until_ready(&self) -> Result<(), WriterDropped> {
        let Self {
            stateful_sets,
            deployments,
            jobs,
            cron_jobs,
            pods,
            claims,
            nodes,
            config_maps,
            services,
            service_accounts,
            network_policies,
            disruption_budgets,
        } = self;
        stateful_sets.wait_until_ready().await?;
        deployments.wait_until_ready().await?;
        jobs.wait_until_ready().await?;
        cron_jobs.wait_until_ready().await?;
        pods.wait_until_ready().await?;
        claims.wait_until_ready().await?;
        nodes.wait_until_ready().await?;
        config_maps.wait_until_ready().await?;
        services.wait_until_ready().await?;
        service_accounts.wait_until_ready().await?;
        network_policies.wait_until_ready().await?;
        disruption_budgets.wait_until_ready().await
    }

    /// What is there of one fleet.
    pub(crate) fn found(&self, namespace: &str, fleet: &str) -> Found {
        Found {
            stateful_sets: of(&self.stateful_sets, namespace, fleet),
            deployments: of(&self.deployments, namespace, fleet),
            jobs: of(&self.jobs, namespace, fleet),
            cron_jobs: of(&self.cron_jobs, namespace, fleet),
            pods: of(&self.pods, namespace, fleet),
            claims: of(&self.claims, namespace, fleet),
        }
    }
}

/// What belongs to a fleet, by name.
pub(super) fn of<K>(store: &Store<K>, namespace: &str, fleet: &str) -> BTreeMap<String, Arc<K>>
where
    K: Resource + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    let is_of = |object: &Arc<K>| {
        object.meta().namespace.as_deref() == Some(namespace) && fleet_of(&**object) == Some(fleet)
    };
    let objects = store.state().into_iter().filter(is_of);
    objects.map(|object| (object.name_any(), object)).collect()
}

struct Watch<'w> {
    client: &'w Client,
    scope: &'w Scope,
    calls: &'w Calls,
    tasks: &'w mut JoinSet<()>,
}

impl Watch<'_> {
    fn objects<K>(&mut self) -> Store<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        let api = self.scope.api::<K>(self.client.clone());
        self.reflect(watcher(api, ours()))
    }

    /// Nodes belong to nobody: whoever wants them asks the store, and a fleet is called by the name on their label.
    fn nodes(&mut self) -> Store<Node> {
        let api: Api<Node> = Api::all(self.client.clone());
        self.reflect(watcher(api, watcher::Config::default()))
    }

    fn reflect<K, S>(&mut self, stream: S) -> Store<K>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
        S: Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static,
    {
        let (reader, writer) = store();
        let calls = self.calls.clone();
        let kind = K::kind(&()).into_owned();
        let stream = stream
            .modify(|object| object.managed_fields_mut().clear())
            .default_backoff()
            .reflect(writer)
            .touched_objects();
        self.tasks.spawn(async move {
            let mut stream = std::pin::pin!(stream);
            while let Some(seen) = stream.next().await {
                match seen {
                    Ok(object) => call(&calls, &object),
                    Err(error) => tracing::warn!(kind, %error, "cannot watch; trying again"),
                }
            }
        });
        reader
    }
}

fn ours() -> watcher::Config {
    watcher::Config::default().labels(&format!("{MANAGED_BY}={OPERATOR},{FLEET_LABEL}"))
}

/// Without a namespace where the object has none. Nobody listens at the end of the program.
fn call<K: Resource>(calls: &Calls, object: &K) {
    let Some(fleet) = fleet_of(object) else {
        return;
    };
    let mut reference = ObjectRef::new(fleet);
    reference.namespace.clone_from(&object.meta().namespace);
    let _ = calls.send(reference);
}
