//! Takes a fleet away from a cluster that stays.

use std::time::Duration;

use fleet_api::ResearchCollector;
use fleet_api::names::FLEET_LABEL;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use tokio::time::{Instant, sleep};

use super::connect::Cluster;
use super::error::ClusterError;

const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What became of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Whether there was a collector to delete.
    pub was_there: bool,
    /// What is still in its namespace, as `Kind/name`: Secrets, since pseudonyms are worth nothing without their key,
    /// and volumes with data.
    pub stays: Vec<String>,
}

/// Deletes the collector, and waits until it is gone with all that belongs to it. `namespace` is by default that of the
/// kubeconfig's context.
pub async fn remove(
    cluster: &Cluster,
    namespace: Option<&str>,
    name: &str,
    patience: Duration,
) -> Result<Removed, ClusterError> {
    let client = cluster.client();
    let namespace = namespace.unwrap_or_else(|| client.default_namespace());
    let what = format!("ResearchCollector/{name}");
    let collectors: Api<ResearchCollector> = Api::namespaced(client.clone(), namespace);
    let failed = |error| cluster.failed(&what, error);

    let deadline = Instant::now() + patience;
    let found = found(collectors.get(name).await).map_err(failed)?;
    let secrets: Vec<_> = found
        .iter()
        .flat_map(|found| found.spec.secrets())
        .collect();
    if found.is_some() {
        let deleted = collectors.delete(name, &DeleteParams::foreground()).await;
        self::found(deleted).map_err(failed)?;
    }
    let mut left = found.clone();
    while let Some(collector) = left {
        if Instant::now() > deadline {
            let finalizers = collector.finalizers().join(", ");
            return Err(ClusterError::Remains {
                what,
                seconds: patience.as_secs(),
                reason: format!("it waits for {finalizers}"),
            });
        }
        sleep(LOOK_AGAIN).await;
        left = self::found(collectors.get(name).await).map_err(failed)?;
    }
    Ok(Removed {
        was_there: found.is_some(),
        stays: stays(cluster, namespace, name, &secrets).await?,
    })
}

/// Nothing where the API server knows no such object, or not even its kind.
fn found<T>(answer: kube::Result<T>) -> kube::Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

async fn stays(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    secrets: &[&str],
) -> Result<Vec<String>, ClusterError> {
    let mut stays = Vec::new();
    let of_the_spec: Api<Secret> = Api::namespaced(cluster.client(), namespace);
    for name in secrets {
        let what = format!("Secret/{name}");
        let found = of_the_spec.get_metadata_opt(name).await;
        if found
            .map_err(|error| cluster.failed(&what, error))?
            .is_some()
        {
            stays.push(what);
        }
    }
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(cluster.client(), namespace);
    let of_the_fleet = ListParams::default().labels(&format!("{FLEET_LABEL}={name}"));
    let claims = claims.list(&of_the_fleet).await;
    let claims = claims.map_err(|error| cluster.failed("the volumes", error))?;
    stays.extend(
        claims
            .iter()
            .map(|claim| format!("PersistentVolumeClaim/{}", claim.name_any())),
    );
    Ok(stays)
}
