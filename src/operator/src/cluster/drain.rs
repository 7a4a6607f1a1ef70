//! Taking the pods off a node before its server is changed or deleted, as `kubectl drain` does.

use std::time::Duration;

use fleet_api::names::DRAINED;
use futures_util::future::join_all;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::ResourceExt;
use kube::api::{Api, EvictParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};

use super::connect::Cluster;
use super::error::ClusterError;

/// The annotation by which the kubelet marks what it shows of its own static pods. They cannot be evicted.
const MIRROR: &str = "kubernetes.io/config.mirror";

const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Cordons a node and evicts its pods, which respects their disruption budgets. How many pods are still there when
/// `patience` is over; none where the node is not there.
pub async fn drain(
    cluster: &Cluster,
    name: &str,
    patience: Duration,
) -> Result<usize, ClusterError> {
    let cordoned = json!({
        "metadata": {"annotations": {DRAINED: "true"}},
        "spec": {"unschedulable": true},
    });
    if !patch(cluster, name, &cordoned).await? {
        return Ok(0);
    }
    let deadline = Instant::now() + patience;
    loop {
        let pods = pods(cluster, name).await?;
        if pods.is_empty() || Instant::now() >= deadline {
            return Ok(pods.len());
        }
        let waiting = pods
            .iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none());
        // The client itself asks again and again where a budget is spent, for minutes.
        let asked = join_all(waiting.map(|pod| evict(cluster, pod)));
        if let Ok(asked) = timeout_at(deadline, asked).await {
            asked.into_iter().collect::<Result<(), _>>()?;
        }
        sleep(LOOK_AGAIN.min(patience)).await;
    }
}

/// Takes back what [`drain`] did to a node that stays.
pub async fn uncordon(cluster: &Cluster, name: &str) -> Result<(), ClusterError> {
    let open = json!({
        "metadata": {"annotations": {DRAINED: Value::Null}},
        "spec": {"unschedulable": Value::Null},
    });
    patch(cluster, name, &open).await.map(drop)
}

/// Changes a node. False where there is none.
pub(super) async fn patch(
    cluster: &Cluster,
    name: &str,
    change: &Value,
) -> Result<bool, ClusterError> {
    let nodes: Api<Node> = Api::all(cluster.client());
    let patched = nodes
        .patch(name, &PatchParams::default(), &Patch::Merge(change))
        .await;
    match patched {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(false),
        Err(error) => Err(cluster.failed(&format!("Node/{name}"), error)),
    }
}

/// The pods that have to go. Those of a `DaemonSet` would come back at once, and those that have ended need nothing.
async fn pods(cluster: &Cluster, node: &str) -> Result<Vec<Pod>, ClusterError> {
    let all: Api<Pod> = Api::all(cluster.client());
    let of_the_node = ListParams::default().fields(&format!("spec.nodeName={node}"));
    let pods = all.list(&of_the_node).await;
    let pods = pods.map_err(|error| cluster.failed(&format!("the pods of Node/{node}"), error))?;
    let has_ended = |pod: &Pod| {
        let phase = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        matches!(phase, Some("Succeeded" | "Failed"))
    };
    let stays = |pod: &Pod| {
        pod.annotations().contains_key(MIRROR)
            || pod
                .owner_references()
                .iter()
                .any(|owner| owner.kind == "DaemonSet")
    };
    let going = |pod: &Pod| !stays(pod) && !has_ended(pod);
    Ok(pods.into_iter().filter(going).collect())
}

/// What the API server refuses may be allowed a second later: a budget is spent, or the pod is gone.
async fn evict(cluster: &Cluster, pod: &Pod) -> Result<(), ClusterError> {
    let namespace = pod.namespace().unwrap_or_default();
    let pods: Api<Pod> = Api::namespaced(cluster.client(), &namespace);
    match pods.evict(&pod.name_any(), &EvictParams::default()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code != 403 => Ok(()),
        Err(error) => Err(cluster.failed(&format!("Pod/{}", pod.name_any()), error)),
    }
}
