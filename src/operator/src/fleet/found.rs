//! What is there of one fleet, as it was last seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use fleet_api::names::{FLEET_LABEL, REGION_LABEL};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

use super::apply::Answers;
use super::names::Component;

/// What is there of one fleet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    /// Collectors and the database, by name.
    pub(crate) stateful_sets: BTreeMap<String, Arc<StatefulSet>>,
    /// The pooler.
    pub(crate) deployments: BTreeMap<String, Arc<Deployment>>,
    /// Migrations, and runs of what is done from time to time.
    pub(crate) jobs: BTreeMap<String, Arc<Job>>,
    /// What is done from time to time.
    pub(crate) cron_jobs: BTreeMap<String, Arc<CronJob>>,
    /// All pods.
    pub(crate) pods: BTreeMap<String, Arc<Pod>>,
    /// Volumes.
    pub(crate) claims: BTreeMap<String, Arc<PersistentVolumeClaim>>,
}

/// How a job ended, if it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobState {
    /// It is not there.
    Missing,
    /// It runs, or waits.
    Running,
    /// It is done.
    Complete,
    /// It was given up.
    Failed {
        /// Why.
        message: String,
        /// When.
        at: Option<Timestamp>,
    },
}

impl Found {
    /// What was written since is newer than what was seen.
    pub(crate) fn update(&mut self, answers: Answers) {
        let Answers {
            claims,
            stateful_sets,
            deployments,
            jobs,
            cron_jobs,
        } = answers;
        newer(&mut self.claims, claims);
        newer(&mut self.stateful_sets, stateful_sets);
        newer(&mut self.deployments, deployments);
        newer(&mut self.jobs, jobs);
        newer(&mut self.cron_jobs, cron_jobs);
    }

    /// Whether the database takes connections.
    pub(crate) fn database_ready(&self, name: &str) -> bool {
        let set = self.stateful_sets.get(name);
        set.is_some_and(|set| super::rollout::records(set))
    }

    /// Whether a Deployment has all its pods, and they are the newest ones.
    pub(crate) fn deployed(&self, name: &str) -> bool {
        let Some(deployment) = self.deployments.get(name) else {
            return false;
        };
        let status = deployment.status.clone().unwrap_or_default();
        let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
        let wanted = wanted.unwrap_or(1);
        status.observed_generation >= deployment.metadata.generation
            && status.updated_replicas.unwrap_or_default() >= wanted
            && status.available_replicas.unwrap_or_default() >= wanted
    }

    /// The pods of a part.
    pub(crate) fn pods_of(&self, component: Component) -> impl Iterator<Item = &Pod> {
        let pods = self.pods.values().map(|pod| &**pod);
        pods.filter(move |pod| component.is_of(*pod))
    }

    /// How a job ended.
    pub(crate) fn job(&self, name: &str) -> JobState {
        self.jobs
            .get(name)
            .map_or(JobState::Missing, |job| job_state(job))
    }

    /// The newest pod of a region's collector.
    pub(crate) fn collector_pod(&self, region: &str) -> Option<&Pod> {
        let pods = self.pods_of(Component::Collector);
        pods.filter(|pod| {
            pod.labels()
                .get(REGION_LABEL)
                .is_some_and(|of| of == region)
        })
        .max_by_key(|pod| pod.creation_timestamp())
    }
}

fn newer<K: kube::Resource>(seen: &mut BTreeMap<String, Arc<K>>, written: Vec<K>) {
    let written = written.into_iter();
    seen.extend(written.map(|object| (object.name_any(), Arc::new(object))));
}

/// How a job ended.
pub(crate) fn job_state(job: &Job) -> JobState {
    let conditions = job.status.iter().flat_map(|status| &status.conditions);
    for condition in conditions.flatten().filter(|found| found.status == "True") {
        match condition.type_.as_str() {
            "Complete" => return JobState::Complete,
            "Failed" => {
                return JobState::Failed {
                    message: condition.message.clone().unwrap_or_default(),
                    at: condition.last_transition_time.as_ref().map(|time| time.0),
                };
            }
            _ => {}
        }
    }
    JobState::Running
}

/// What keeps a pod from running, in words; nothing where it runs, or is only on its way.
pub(crate) fn trouble(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let containers = status.container_statuses.iter().flatten();
    for container in containers.chain(status.init_container_statuses.iter().flatten()) {
        let waiting = container
            .state
            .as_ref()
            .and_then(|state| state.waiting.as_ref());
        let Some(waiting) = waiting else { continue };
        let reason = waiting.reason.clone().unwrap_or_default();
        if ["ContainerCreating", "PodInitializing"].contains(&reason.as_str()) {
            continue;
        }
        let message = waiting.message.clone().unwrap_or_default();
        let colon = if message.is_empty() { "" } else { ": " };
        return Some(format!("{}: {reason}{colon}{message}", container.name));
    }
    let conditions = status.conditions.iter().flatten();
    let unplaced = conditions
        .filter(|condition| condition.type_ == "PodScheduled" && condition.status == "False")
        .find_map(|condition| condition.message.clone());
    unplaced.map(|message| format!("no node takes it: {message}"))
}

/// The fleet that an object belongs to, by its label.
pub(crate) fn fleet_of<K: kube::Resource>(object: &K) -> Option<&str> {
    let labels = object.meta().labels.as_ref()?;
    labels.get(FLEET_LABEL).map(String::as_str)
}
