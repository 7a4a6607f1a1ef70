//! Writes what is built (server-side apply), then deletes what is no longer wanted.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions, PropagationPolicy};
use kube::runtime::reflector::Store;
use kube::{Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::build::Objects;
use super::error::Error;
use super::names::{OPERATOR, collector, digest};
use super::stores::{Stores, of};
use super::valid::Fleet;

/// What was written, so that it is not written again as long as nobody changes it. A new process writes all once.
#[derive(Debug, Default)]
pub(crate) struct Written(Mutex<HashMap<(String, String, String), Mark>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    /// Of what was written.
    digest: String,
    /// The version that it became.
    version: String,
}

/// What was written, as the API server has it now: the watches tell it only later, and what they told before is old.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) claims: Vec<PersistentVolumeClaim>,
    pub(crate) stateful_sets: Vec<StatefulSet>,
    pub(crate) deployments: Vec<Deployment>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) cron_jobs: Vec<CronJob>,
}

/// Writes objects of one fleet.
pub(super) struct Apply<'a> {
    pub(super) client: &'a Client,
    pub(super) stores: &'a Stores,
    pub(super) written: &'a Written,
    pub(super) fleet: &'a Fleet,
}

impl Apply<'_> {
    /// Writes all objects, in the order in which they need each other. The first that is refused does not hold up the
    /// others; its error is given at the end, beside what became of the others.
    pub(crate) async fn run(&self, objects: Objects) -> (Answers, Result<(), Error>) {
        let Objects {
            service_accounts,
            secrets,
            config_maps,
            services,
            network_policies,
            disruption_budgets,
            claims,
            databases,
            deployments,
            jobs,
            collectors,
            cron_jobs,
        } = objects;
        let stores = self.stores;
        let mut failed = None;
        let first = &mut failed;
        let sets: Vec<StatefulSet> = databases.into_iter().chain(collectors).collect();
        self.each(&stores.service_accounts, &service_accounts, first)
            .await;
        keep(first, self.unseen(&secrets).await);
        self.each(&stores.config_maps, &config_maps, first).await;
        self.each(&stores.services, &services, first).await;
        self.each(&stores.network_policies, &network_policies, first)
            .await;
        self.each(&stores.disruption_budgets, &disruption_budgets, first)
            .await;
        let answers = Answers {
            claims: self.each(&stores.claims, &claims, first).await,
            // Pods last: they read what stands above.
            stateful_sets: self.each(&stores.stateful_sets, &sets, first).await,
            deployments: self.each(&stores.deployments, &deployments, first).await,
            jobs: self.each(&stores.jobs, &jobs, first).await,
            cron_jobs: self.each(&stores.cron_jobs, &cron_jobs, first).await,
        };
        (answers, failed.map_or(Ok(()), Err))
    }

    /// Deletes what belongs to the fleet and is not among the wanted. Never before everything wanted was written. Volumes
    /// and Secrets are not deleted: they hold data.
    pub(crate) async fn prune(&self, wanted: &Wanted) -> Result<(), Error> {
        let stores = self.stores;
        let Wanted {
            stateful_sets,
            deployments,
            jobs,
            cron_jobs,
            config_maps,
            services,
            service_accounts,
            network_policies,
            disruption_budgets,
        } = wanted;
        self.surplus(&stores.cron_jobs, cron_jobs).await?;
        self.surplus(&stores.stateful_sets, stateful_sets).await?;
        self.surplus(&stores.deployments, deployments).await?;
        self.surplus(&stores.jobs, jobs).await?;
        self.surplus(&stores.disruption_budgets, disruption_budgets)
            .await?;
        self.surplus(&stores.network_policies, network_policies)
            .await?;
        self.surplus(&stores.services, services).await?;
        self.surplus(&stores.config_maps, config_maps).await?;
        self.surplus(&stores.service_accounts, service_accounts)
            .await
    }

    /// What was written, as the API server has it now.
    async fn each<K, S>(
        &self,
        store: &Store<S>,
        objects: &[K],
        failed: &mut Option<Error>,
    ) -> Vec<K>
    where
        K: Kind,
        S: Resource + Clone + 'static,
        S::DynamicType: Eq + Hash + Clone,
    {
        if objects.is_empty() {
            return Vec::new();
        }
        let live = of(store, &self.fleet.namespace, &self.fleet.name);
        let mut written = Vec::new();
        for object in objects {
            let live = live.get(&object.name_any()).map(|live| live.meta());
            match self.one(object, live).await {
                Ok(answer) => written.extend(answer),
                Err(error) => keep(failed, Err(error)),
            }
        }
        written
    }

    /// Of a kind that is not watched: it is written when it changes, and once by each process.
    async fn unseen<K: Kind>(&self, objects: &[K]) -> Result<(), Error> {
        for object in objects {
            let (key, digest) = (self.key::<K>(object), digest_of(object));
            if self
                .written
                .get(&key)
                .is_some_and(|mark| mark.digest == digest)
            {
                continue;
            }
            self.write(object, key, digest).await?;
        }
        Ok(())
    }

    async fn one<K: Kind>(
        &self,
        object: &K,
        live: Option<&ObjectMeta>,
    ) -> Result<Option<K>, Error> {
        let (key, digest) = (self.key::<K>(object), digest_of(object));
        if let (Some(live), Some(mark)) = (live, self.written.get(&key)) {
            let same = mark.digest == digest && mark.version == version(live);
            if same && contains(live, object.meta()) {
                return Ok(None);
            }
        }
        self.write(object, key, digest).await.map(Some)
    }

    async fn write<K: Kind>(
        &self,
        object: &K,
        key: (String, String, String),
        digest: String,
    ) -> Result<K, Error> {
        let name = object.name_any();
        let api: Api<K> = Api::namespaced(self.client.clone(), &self.fleet.namespace);
        let params = PatchParams::apply(OPERATOR).force();
        let written = api.patch(&name, &params, &Patch::Apply(object)).await;
        let written = written.map_err(Error::kubernetes(format!("write {}/{name}", key.0)))?;
        let version = version(written.meta());
        tracing::debug!(kind = key.0, name, version, "written");
        self.written.set(key, Mark { digest, version });
        Ok(written)
    }

    async fn surplus<K, S>(&self, store: &Store<S>, wanted: &Names<K>) -> Result<(), Error>
    where
        K: Kind,
        S: Resource + Clone + 'static,
        S::DynamicType: Eq + Hash + Clone,
    {
        for (name, live) in of(store, &self.fleet.namespace, &self.fleet.name) {
            let owners = live.meta().owner_references.iter().flatten();
            let is_ours = owners
                .into_iter()
                .any(|owner| owner.uid == self.fleet.owner.uid);
            if wanted.names.contains(&name) || !is_ours || live.meta().deletion_timestamp.is_some()
            {
                continue;
            }
            delete::<K>(self.client, live.meta()).await?;
        }
        Ok(())
    }

    fn key<K: Kind>(&self, object: &K) -> (String, String, String) {
        let kind = K::kind(&()).into_owned();
        (kind, self.fleet.namespace.clone(), object.name_any())
    }
}

/// The names that stay, of each kind that is pruned.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    stateful_sets: Names<StatefulSet>,
    deployments: Names<Deployment>,
    jobs: Names<Job>,
    cron_jobs: Names<CronJob>,
    config_maps: Names<k8s_openapi::api::core::v1::ConfigMap>,
    services: Names<k8s_openapi::api::core::v1::Service>,
    service_accounts: Names<k8s_openapi::api::core::v1::ServiceAccount>,
    network_policies: Names<k8s_openapi::api::networking::v1::NetworkPolicy>,
    disruption_budgets: Names<k8s_openapi::api::policy::v1::PodDisruptionBudget>,
}

impl Wanted {
    /// All of these.
    pub(crate) fn of(objects: &Objects) -> Self {
        Self {
            stateful_sets: Names::of(objects.databases.iter().chain(&objects.collectors)),
            deployments: Names::of(&objects.deployments),
            jobs: Names::of(&objects.jobs),
            cron_jobs: Names::of(&objects.cron_jobs),
            config_maps: Names::of(&objects.config_maps),
            services: Names::of(&objects.services),
            service_accounts: Names::of(&objects.service_accounts),
            network_policies: Names::of(&objects.network_policies),
            disruption_budgets: Names::of(&objects.disruption_budgets),
        }
    }
}

impl Wanted {
    /// Collectors that are not written now stay all the same.
    pub(crate) fn keep_collectors(&mut self, fleet: &Fleet) {
        let names = fleet.regions().iter();
        let names = names.map(|region| collector(&fleet.name, &region.name));
        self.stateful_sets.names.extend(names);
    }
}

/// Names of one kind.
#[derive(Debug)]
struct Names<K> {
    names: BTreeSet<String>,
    kind: std::marker::PhantomData<fn() -> K>,
}

impl<K> Default for Names<K> {
    fn default() -> Self {
        Self {
            names: BTreeSet::new(),
            kind: std::marker::PhantomData,
        }
    }
}

impl<K: Resource> Names<K> {
    fn of<'k>(objects: impl IntoIterator<Item = &'k K>) -> Self
    where
        K: 'k,
    {
        let objects = objects.into_iter();
        Self {
            names: objects
                .filter_map(|object| object.meta().name.clone())
                .collect(),
            kind: std::marker::PhantomData,
        }
    }
}

/// A kind that can be written in a namespace.
pub(crate) trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
{
}

impl<K> Kind for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
{
}

/// Deletes exactly the object that was seen. What is gone already is a success.
pub(crate) async fn delete<K: Kind>(client: &Client, seen: &ObjectMeta) -> Result<(), Error> {
    let name = seen.name.clone().unwrap_or_default();
    let namespace = seen.namespace.clone().unwrap_or_default();
    let api: Api<K> = Api::namespaced(client.clone(), &namespace);
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        preconditions: Some(Preconditions {
            uid: seen.uid.clone(),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    let kind = K::kind(&());
    match api.delete(&name, &params).await {
        Ok(_) => {
            tracing::info!(%kind, namespace, name, "deleted");
            Ok(())
        }
        // Another one has its name by now: not the one that was meant.
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        Err(error) => Err(Error::kubernetes(format!("delete {kind}/{name}"))(error)),
    }
}

impl Written {
    fn get(&self, key: &(String, String, String)) -> Option<Mark> {
        let marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        marks.get(key).cloned()
    }

    fn set(&self, key: (String, String, String), mark: Mark) {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        marks.insert(key, mark);
    }

    /// Forgets what was written of a namespace's fleet that is gone.
    pub(crate) fn forget(&self, namespace: &str, fleet: &str) {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let prefix = format!("{fleet}-");
        marks.retain(|(_, of, name), _| of != namespace || !name.starts_with(&prefix));
    }
}

/// Keeps the first error.
fn keep(first: &mut Option<Error>, result: Result<(), Error>) {
    if let (None, Err(error)) = (&first, result) {
        *first = Some(error);
    }
}

fn digest_of(object: &impl Serialize) -> String {
    // Of Kubernetes' own types: they can be written.
    digest(&[&serde_json::to_string(object).unwrap_or_default()])
}

/// What moves when somebody changes an object: its generation, where its status does not count.
fn version(meta: &ObjectMeta) -> String {
    match meta.generation {
        Some(generation) => format!("g{generation}"),
        None => meta.resource_version.clone().unwrap_or_default(),
    }
}

/// Whether the labels, annotations and owners of ours are there, which no generation counts.
fn contains(live: &ObjectMeta, wanted: &ObjectMeta) -> bool {
    let pairs = |meta: &ObjectMeta| {
        let labels = meta.labels.clone().into_iter().flatten();
        let annotations = meta.annotations.clone().into_iter().flatten();
        labels.chain(annotations).collect::<BTreeSet<_>>()
    };
    let owners = |meta: &ObjectMeta| {
        let owners = meta.owner_references.iter().flatten();
        owners
            .map(|owner| owner.uid.clone())
            .collect::<BTreeSet<_>>()
    };
    pairs(wanted).is_subset(&pairs(live)) && owners(wanted).is_subset(&owners(live))
}
