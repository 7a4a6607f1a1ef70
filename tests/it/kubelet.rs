//! Pods run on nodes that are played, and the real control plane takes them for real.

mod nodes;
mod pods;
mod volumes;

use std::sync::Arc;

use anyhow::Result;
use fleet_tests::{kube::Kubernetes, kubelet::Kubelets};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{Node, Pod, PodCondition},
};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};

use crate::kube::{eventually, namespace};

/// A namespace, and who plays in it.
struct Stage {
    // Before its cluster may end.
    kubelets: Kubelets,
    client: Client,
    name: &'static str,
    _cluster: Arc<Kubernetes>,
}

impl Stage {
    async fn new(name: &'static str) -> Result<Self> {
        let cluster = Kubernetes::shared().await?;
        let client = cluster.client().await?;
        let kubelets = Kubelets::start_in(client.clone(), name).await?;
        Self::of(cluster, client, kubelets, name).await
    }

    /// In a control plane of the test's own.
    async fn alone(name: &'static str) -> Result<Self> {
        let cluster = Arc::new(Kubernetes::start().await?);
        let client = cluster.client().await?;
        let kubelets = Kubelets::start(client.clone()).await?;
        Self::of(cluster, client, kubelets, name).await
    }

    async fn of(
        cluster: Arc<Kubernetes>,
        client: Client,
        kubelets: Kubelets,
        name: &'static str,
    ) -> Result<Self> {
        namespace(&client, name).await?;
        Ok(Self {
            kubelets,
            client,
            name,
            _cluster: cluster,
        })
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), self.name)
    }

    fn nodes(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }

    async fn create_set(&self, name: &str, pod: Value) -> Result<()> {
        let labels = json!({"app": name});
        let set = json!({
            "metadata": {"name": name},
            "spec": {
                "serviceName": name,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        });
        let set: StatefulSet = serde_json::from_value(set)?;
        self.api().create(&PostParams::default(), &set).await?;
        Ok(())
    }

    async fn ready_pods(&self, set: &str) -> Result<i32, kube::Error> {
        let set = self.api::<StatefulSet>().get(set).await?;
        let ready = set.status.and_then(|status| status.ready_replicas);
        Ok(ready.unwrap_or_default())
    }

    /// A condition of a pod once it has this status.
    async fn pod_is(&self, pod: &str, kind: &str, status: &str) -> Result<PodCondition> {
        let what = format!("{pod} {kind}={status}");
        eventually(&what, async || {
            let pod = self.api::<Pod>().get_opt(pod).await?;
            let conditions = pod.and_then(|pod| pod.status?.conditions);
            let mut conditions = conditions.into_iter().flatten();
            Ok(conditions.find(|found| found.type_ == kind && found.status == status))
        })
        .await
    }

    async fn node_is(&self, node: &str, status: &str) -> Result<Node> {
        eventually(&format!("{node} Ready={status}"), async || {
            let node = self.nodes().get_opt(node).await?;
            Ok(node.filter(|node| readiness(node) == Some(status)))
        })
        .await
    }
}

fn readiness(node: &Node) -> Option<&str> {
    let mut conditions = node.status.as_ref()?.conditions.iter().flatten();
    let ready = conditions.find(|condition| condition.type_ == "Ready")?;
    Some(&ready.status)
}

fn container() -> Value {
    json!({"name": "main", "image": "example.org/main:1"})
}
