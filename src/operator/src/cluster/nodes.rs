//! Waits for servers to become nodes.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Secret};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::connect::Cluster;
use super::drain::patch;
use super::error::ClusterError;

const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How far a server has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeState {
    /// It has not joined.
    Missing,
    /// It has joined and takes no pods yet; what it says about that.
    NotReady(String),
    /// It takes pods.
    Ready,
}

/// Waits until the nodes with these names are ready. `progress` sees their states at first and at each change.
/// A cluster that cannot be reached for a while is waited for as well.
pub async fn wait_for_nodes(
    cluster: &Cluster,
    names: &[&str],
    patience: Duration,
    mut progress: impl FnMut(&BTreeMap<String, NodeState>),
) -> Result<(), ClusterError> {
    let deadline = Instant::now() + patience;
    let mut before = None;
    loop {
        let states = match states(cluster, names).await {
            Ok(states) => states,
            Err(ClusterError::Unreachable { .. }) if Instant::now() < deadline => {
                sleep(LOOK_AGAIN).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        if before.as_ref() != Some(&states) {
            progress(&states);
        }
        let missing: Vec<_> = states.iter().filter_map(problem).collect();
        if missing.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let seconds = patience.as_secs();
            return Err(ClusterError::NodesMissing { seconds, missing });
        }
        before = Some(states);
        sleep(LOOK_AGAIN).await;
    }
}

/// Forgets a node whose server is made anew under the same name. k3s keeps a password for each node and refuses a new
/// machine that does not have it, so that goes, too.
pub async fn forget_node(cluster: &Cluster, name: &str) -> Result<(), ClusterError> {
    let nodes: Api<Node> = Api::all(cluster.client());
    let passwords: Api<Secret> = Api::namespaced(cluster.client(), "kube-system");
    let password = format!("{name}.node-password.k3s");
    let gone = |what: &str, deleted: Result<(), kube::Error>| match deleted {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => other.map_err(|error| cluster.failed(what, error)),
    };
    let parameters = DeleteParams::default();
    let node = nodes.delete(name, &parameters).await.map(drop);
    gone(&format!("Node/{name}"), node)?;
    let secret = passwords.delete(&password, &parameters).await.map(drop);
    gone(&format!("Secret/{password}"), secret)
}

/// All nodes of the cluster, as they are now.
pub async fn list_nodes(cluster: &Cluster) -> Result<Vec<Node>, ClusterError> {
    let nodes: Api<Node> = Api::all(cluster.client());
    let nodes = nodes.list(&ListParams::default()).await;
    Ok(nodes
        .map_err(|error| cluster.failed("the nodes", error))?
        .items)
}

/// Puts labels on a node, if it is there. Those that it has besides stay.
pub async fn label_node(
    cluster: &Cluster,
    name: &str,
    labels: &BTreeMap<String, String>,
) -> Result<(), ClusterError> {
    let labels = json!({"metadata": {"labels": labels}});
    patch(cluster, name, &labels).await.map(drop)
}

async fn states(
    cluster: &Cluster,
    names: &[&str],
) -> Result<BTreeMap<String, NodeState>, ClusterError> {
    let nodes = list_nodes(cluster).await?;
    let state = |name: &&str| {
        let node = nodes.iter().find(|node| node.name_any() == **name);
        ((*name).to_owned(), node.map_or(NodeState::Missing, state))
    };
    Ok(names.iter().map(state).collect())
}

fn state(node: &Node) -> NodeState {
    let conditions = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition.type_ == "Ready");
    match ready {
        Some(ready) if ready.status == "True" => NodeState::Ready,
        Some(ready) => NodeState::NotReady(ready.message.clone().unwrap_or_default()),
        None => NodeState::NotReady("the node has not told its state yet".to_owned()),
    }
}

fn problem((name, state): (&String, &NodeState)) -> Option<String> {
    match state {
        NodeState::Missing => Some(format!("{name}: it has not joined")),
        NodeState::NotReady(message) => Some(format!("{name}: {message}")),
        NodeState::Ready => None,
    }
}
