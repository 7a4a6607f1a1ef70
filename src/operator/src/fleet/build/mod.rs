//! What a fleet is made of in Kubernetes. Pure: one file a kind, `pod` and `metadata` for what they share.

mod claim;
mod collector;
mod config_map;
mod cron_job;
mod database;
mod deployment;
mod job;
mod metadata;
mod network_policy;
mod pod;
mod pod_disruption_budget;
mod secret;
mod service;
mod service_account;
#[cfg(test)]
pub(super) mod tests;
pub(crate) mod tls;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{
    ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;

pub(super) use self::pod::METRICS_PORT;
pub(crate) use self::secret::{Credentials, Generated, credential_names, generated};

use super::names;
use super::valid::Fleet;

/// All that a fleet is made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Objects {
    /// The account of all pods, which may do nothing.
    pub(crate) service_accounts: Vec<ServiceAccount>,
    /// Settings that hold passwords. Those that are made once are not here.
    pub(crate) secrets: Vec<Secret>,
    /// Specs of collectors, and scripts.
    pub(crate) config_maps: Vec<ConfigMap>,
    /// How parts find each other.
    pub(crate) services: Vec<Service>,
    /// Who may talk to whom.
    pub(crate) network_policies: Vec<NetworkPolicy>,
    /// What a drain may not stop.
    pub(crate) disruption_budgets: Vec<PodDisruptionBudget>,
    /// Volumes. They belong to nobody, so that they outlive the fleet.
    pub(crate) claims: Vec<PersistentVolumeClaim>,
    /// The database.
    pub(crate) databases: Vec<StatefulSet>,
    /// The pooler.
    pub(crate) deployments: Vec<Deployment>,
    /// The migration.
    pub(crate) jobs: Vec<Job>,
    /// One for each region, in the order of the spec.
    pub(crate) collectors: Vec<StatefulSet>,
    /// Archives, figures and backups.
    pub(crate) cron_jobs: Vec<CronJob>,
}

/// Builds all objects. `credentials` are those of the managed database, if there is one.
pub(crate) fn build(fleet: &Fleet, credentials: Option<&Credentials>) -> Objects {
    let mut objects = Objects {
        service_accounts: vec![service_account::account(fleet)],
        services: vec![service::collectors(fleet)],
        network_policies: vec![network_policy::collectors(fleet)],
        claims: claim::claims(fleet),
        ..Objects::default()
    };
    for (index, region) in fleet.regions().iter().enumerate() {
        let config = config_map::collector(fleet, index, region);
        objects
            .collectors
            .push(collector::stateful_set(fleet, index, region, &config));
        objects.config_maps.push(config);
    }
    if let (Some(managed), Some(credentials)) = (fleet.managed(), credentials) {
        let scripts = config_map::database(fleet);
        objects
            .databases
            .push(database::stateful_set(fleet, managed, &scripts));
        objects.config_maps.push(scripts);
        objects.secrets.extend(secret::logins(fleet, credentials));
        objects.services.extend(service::database(fleet));
        objects
            .network_policies
            .push(network_policy::database(fleet));
        objects
            .disruption_budgets
            .push(pod_disruption_budget::database(fleet));
        if fleet.pooled() {
            let settings = secret::pooler(fleet, credentials);
            objects
                .deployments
                .push(deployment::pooler(fleet, managed, &settings));
            objects.secrets.push(settings);
            objects.services.push(service::pooler(fleet));
            objects.network_policies.push(network_policy::pooler(fleet));
        }
        objects.jobs.push(job::migration(fleet));
        objects.cron_jobs.extend(cron_job::backup(fleet, managed));
    }
    objects.cron_jobs.extend(cron_job::archive(fleet));
    objects.cron_jobs.extend(cron_job::reports(fleet));
    objects
}

/// The volume of the database.
pub(crate) fn database_claim(fleet: &str) -> String {
    names::child(fleet, "database")
}
