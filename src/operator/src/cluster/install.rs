//! The resource's definition and the operator.

use std::time::Duration;

use fleet_api::ResearchCollector;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionStatus,
};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::{CustomResourceExt, ResourceExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::connect::Cluster;
use super::error::ClusterError;
use super::object::{Applied, write};

/// Where the operator runs.
pub const NAMESPACE: &str = "research-fleet";
/// The operator's Deployment, `ServiceAccount` and `ClusterRole`.
pub const OPERATOR: &str = "fleet-operator";

/// All that the operator needs, with an image that [`install`] replaces.
const MANIFESTS: &str = include_str!("operator.yaml");

/// The API server takes a new kind into use within a second.
const PATIENCE: Duration = Duration::from_mins(1);
/// Where there are several API servers it takes five seconds.
const TOUCH_AFTER: Duration = Duration::from_secs(10);
/// An annotation that is there for a moment.
const TOUCHED: &str = "researchfleet.io/touched";
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Installs the CRD and the operator, or brings them to this version. `image` is the operator's.
pub async fn install(cluster: &Cluster, image: &str) -> Result<Vec<Applied>, ClusterError> {
    let mut done = vec![install_crd(cluster).await?];
    for object in manifests(image)? {
        done.push(write(cluster, &object).await?);
    }
    Ok(done)
}

async fn install_crd(cluster: &Cluster) -> Result<Applied, ClusterError> {
    let crd = ResearchCollector::crd();
    let name = crd.name_any();
    let what = format!("CustomResourceDefinition/{name}");
    let object = serde_json::to_value(crd).and_then(serde_json::from_value);
    let object: DynamicObject = object.map_err(|error| failed(&what, &error))?;
    let applied = write(cluster, &object).await?;

    let crds: Api<CustomResourceDefinition> = Api::all(cluster.client());
    let failed = |error| cluster.failed(&what, error);
    let begin = Instant::now();
    let mut touched = begin;
    loop {
        let crd = crds.get(&name).await.map_err(failed)?;
        match is_established(crd.status.as_ref()) {
            Ok(()) => return Ok(applied),
            Err(reason) if begin.elapsed() > PATIENCE => {
                return Err(ClusterError::NotEstablished { what, reason });
            }
            Err(_) if touched.elapsed() > TOUCH_AFTER => {
                touch(&crds, &name).await.map_err(failed)?;
                touched = Instant::now();
            }
            Err(_) => sleep(LOOK_AGAIN).await,
        }
    }
}

/// An API server that ended between accepting the names of a CRD and establishing it goes on when it next sees the CRD
/// change, which it does not when the same is applied again.
async fn touch(crds: &Api<CustomResourceDefinition>, name: &str) -> kube::Result<()> {
    for value in [json!("now"), Value::Null] {
        let patch = json!({"metadata": {"annotations": {TOUCHED: value}}});
        let params = PatchParams::default();
        crds.patch(name, &params, &Patch::Merge(patch)).await?;
    }
    Ok(())
}

/// Why it is not, if it is not.
fn is_established(status: Option<&CustomResourceDefinitionStatus>) -> Result<(), String> {
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let conditions = conditions.into_iter().flatten();
    let mut reasons = Vec::new();
    for condition in conditions {
        if condition.type_ == "Established" && condition.status == "True" {
            return Ok(());
        }
        if condition.status == "False" {
            reasons.extend(condition.message.clone());
        }
    }
    if reasons.is_empty() {
        return Err("it has not been looked at yet".to_owned());
    }
    Err(reasons.join("; "))
}

/// What stands in `operator.yaml`, with this image.
fn manifests(image: &str) -> Result<Vec<DynamicObject>, ClusterError> {
    let mut objects = Vec::new();
    for document in serde_yaml::Deserializer::from_str(MANIFESTS) {
        let object = DynamicObject::deserialize(document);
        let mut object = object.map_err(|error| failed("operator.yaml", &error))?;
        if let Some(container) = object.data.pointer_mut(CONTAINER) {
            container["image"] = image.into();
        }
        objects.push(object);
    }
    Ok(objects)
}

const CONTAINER: &str = "/spec/template/spec/containers/0";

fn failed(what: &str, error: &impl ToString) -> ClusterError {
    ClusterError::Failed {
        what: what.to_owned(),
        reason: error.to_string(),
    }
}

/// Waits until the operator runs in the version that was installed.
pub async fn wait_for_operator(cluster: &Cluster, patience: Duration) -> Result<(), ClusterError> {
    let what = format!("Deployment/{OPERATOR}");
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), NAMESPACE);
    let deadline = Instant::now() + patience;
    loop {
        let deployment = deployments.get(OPERATOR).await;
        let deployment = deployment.map_err(|error| cluster.failed(&what, error))?;
        match is_rolled_out(&deployment) {
            Ok(()) => return Ok(()),
            Err(reason) if Instant::now() > deadline => {
                let seconds = patience.as_secs();
                return Err(ClusterError::NoOperator { seconds, reason });
            }
            Err(_) => sleep(LOOK_AGAIN).await,
        }
    }
}

/// Why it is not, if it is not.
fn is_rolled_out(deployment: &Deployment) -> Result<(), String> {
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    let wanted = wanted.unwrap_or(1);
    let status = deployment.status.clone().unwrap_or_default();
    if status.observed_generation != deployment.metadata.generation {
        return Err("the cluster has not looked at it yet".to_owned());
    }
    let updated = status.updated_replicas.unwrap_or_default();
    let available = status.available_replicas.unwrap_or_default();
    if updated >= wanted && available >= wanted && status.replicas.unwrap_or_default() == updated {
        return Ok(());
    }
    let conditions = status.conditions.unwrap_or_default();
    let mut problems = conditions
        .into_iter()
        .filter(|condition| condition.status == "False")
        .filter_map(|condition| condition.message);
    Err(problems
        .next()
        .unwrap_or_else(|| format!("{available} of {wanted} replicas are there")))
}
