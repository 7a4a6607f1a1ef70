//! Pods run on nodes that are played, and the real control plane takes them for real.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use fleet_sim::hetzner::{self, Options, TOKEN};
use fleet_tests::{
    kube::Kubernetes,
    kubelet::{Kubelets, Play},
};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    batch::v1::Job,
    core::v1::{Node, PersistentVolumeClaim, Pod, PodCondition},
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::kube::{eventually, namespace};

/// A namespace in the shared control plane, and who plays in it.
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
        namespace(&client, name).await?;
        Ok(Self {
            kubelets: Kubelets::start_in(client.clone(), name).await?,
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

#[tokio::test]
async fn a_pod_runs_where_its_node_is_and_as_it_is_told() -> Result<()> {
    let stage = Stage::new("kubelet-places").await?;
    let pod = json!({"nodeSelector": {"place": "far"}, "containers": [container()]});
    stage.create_set("set", pod).await?;
    stage
        .kubelets
        .add_node("near", &[("place", "near")])
        .await?;
    let refused = eventually("a reason", async || {
        let pod = stage.api::<Pod>().get_opt("set-0").await?;
        let conditions = pod.and_then(|pod| pod.status?.conditions);
        let messages = conditions.into_iter().flatten();
        let mut messages = messages.filter_map(|condition| condition.message);
        Ok(messages.find(|message| message.contains("affinity/selector")))
    })
    .await?;
    assert_eq!(
        refused,
        "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
    );
    assert_eq!(stage.ready_pods("set").await?, 0);

    stage.kubelets.add_node("far", &[("place", "far")]).await?;
    stage.pod_is("set-0", "Ready", "True").await?;
    let pod = stage.api::<Pod>().get("set-0").await?;
    let spec = pod.spec.context("no spec")?;
    assert_eq!(spec.node_name.as_deref(), Some("far"));
    let status = pod.status.context("no status")?;
    assert_eq!(status.phase.as_deref(), Some("Running"));
    assert_eq!(status.pod_ip.as_deref(), Some("127.0.0.1"));
    let containers = status.container_statuses.context("no containers")?;
    assert_eq!(containers[0].image, "example.org/main:1");
    eventually("a ready StatefulSet", async || {
        Ok((stage.ready_pods("set").await? == 1).then_some(()))
    })
    .await?;

    stage.kubelets.play("set-", Play::CrashLoop);
    stage.pod_is("set-0", "Ready", "False").await?;
    let pod = stage.api::<Pod>().get("set-0").await?;
    let containers = pod.status.and_then(|status| status.container_statuses);
    let containers = containers.context("no containers")?;
    let waiting = containers[0].state.clone().and_then(|state| state.waiting);
    let reason = waiting.and_then(|waiting| waiting.reason);
    assert_eq!(reason.as_deref(), Some("CrashLoopBackOff"));

    stage.kubelets.set_pod_ip("set-0", "10.9.8.7".parse()?);
    stage.kubelets.play("set-0", Play::Ready);
    stage.pod_is("set-0", "Ready", "True").await?;
    let pod = stage.api::<Pod>().get("set-0").await?;
    let ips = pod.status.and_then(|status| status.pod_ips);
    let ips: Vec<_> = ips.into_iter().flatten().map(|ip| ip.ip).collect();
    assert_eq!(ips, ["10.9.8.7"]);
    Ok(())
}

#[tokio::test]
async fn two_pods_cannot_have_one_port_of_a_node_and_the_second_waits_for_the_first() -> Result<()>
{
    let stage = Stage::new("kubelet-ports").await?;
    stage.kubelets.add_node("ports", &[]).await?;
    let mut container = container();
    container["ports"] = json!([{"containerPort": 2234, "hostPort": 2234}]);
    let pod = json!({"containers": [container], "terminationGracePeriodSeconds": 5});
    stage.create_set("first", pod.clone()).await?;
    stage.pod_is("first-0", "Ready", "True").await?;
    stage.create_set("second", pod).await?;
    let refused = stage.pod_is("second-0", "PodScheduled", "False").await?;
    assert_eq!(refused.reason.as_deref(), Some("Unschedulable"));
    let message = refused.message.context("no message")?;
    assert!(message.contains("free ports"), "{message}");

    let params = DeleteParams::default();
    stage.api::<StatefulSet>().delete("first", &params).await?;
    stage.pod_is("second-0", "Ready", "True").await?;
    Ok(())
}

#[tokio::test]
async fn pods_that_repel_each_other_are_on_different_nodes() -> Result<()> {
    let stage = Stage::new("kubelet-apart").await?;
    stage.kubelets.add_node("apart-1", &[]).await?;
    let pod = json!({
        "containers": [container()],
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{
            "topologyKey": "kubernetes.io/hostname",
            "labelSelector": {"matchExpressions": [
                {"key": "app", "operator": "In", "values": ["one", "two"]},
            ]},
        }]}},
    });
    stage.create_set("one", pod.clone()).await?;
    stage.pod_is("one-0", "Ready", "True").await?;
    stage.create_set("two", pod).await?;
    let refused = stage.pod_is("two-0", "PodScheduled", "False").await?;
    let message = refused.message.context("no message")?;
    assert!(message.contains("anti-affinity"), "{message}");
    stage.kubelets.add_node("apart-2", &[]).await?;
    stage.pod_is("two-0", "Ready", "True").await?;
    Ok(())
}

#[tokio::test]
async fn a_job_completes_and_one_that_fails_fails() -> Result<()> {
    let stage = Stage::new("kubelet-jobs").await?;
    stage.kubelets.add_node("jobs", &[]).await?;
    stage.kubelets.play("bad-", Play::Fail);
    let jobs: Api<Job> = stage.api();
    for name in ["good", "bad"] {
        let job = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {
                "backoffLimit": 0,
                "template": {"spec": {"restartPolicy": "Never", "containers": [container()]}},
            },
        }))?;
        jobs.create(&PostParams::default(), &job).await?;
    }
    for (name, end) in [("good", "Complete"), ("bad", "Failed")] {
        eventually(&format!("{name} {end}"), async || {
            let conditions = jobs.get(name).await?.status.and_then(|all| all.conditions);
            let mut conditions = conditions.into_iter().flatten();
            Ok(conditions.find(|found| found.type_ == end && found.status == "True"))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn volumes_are_bound_and_grow_where_their_class_lets_them() -> Result<()> {
    let stage = Stage::new("kubelet-volumes").await?;
    let claims: Api<PersistentVolumeClaim> = stage.api();
    // The first has the default class.
    for (name, class) in [("grows", json!(null)), ("stays", json!("stiff"))] {
        let claim = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {
                "storageClassName": class,
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }))?;
        claims.create(&PostParams::default(), &claim).await?;
    }
    let has = async |name: &str, size: &str| {
        eventually(&format!("{name} of {size}"), async || {
            let status = claims.get(name).await?.status;
            let status = status.filter(|status| status.phase.as_deref() == Some("Bound"));
            let capacity = status.and_then(|status| status.capacity);
            let found = capacity.and_then(|capacity| capacity.get("storage").cloned());
            Ok(found.filter(|found| found.0 == size))
        })
        .await
    };
    has("grows", "1Gi").await?;
    has("stays", "1Gi").await?;

    let bigger = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}});
    let bigger = Patch::Merge(bigger);
    let params = PatchParams::default();
    claims.patch("grows", &params, &bigger).await?;
    has("grows", "2Gi").await?;
    claims.patch("stays", &params, &bigger).await.unwrap_err();

    let claim = claims.get("grows").await?;
    let volume = claim.spec.and_then(|spec| spec.volume_name);
    let volume = volume.context("no volume")?;
    claims.delete("grows", &DeleteParams::default()).await?;
    let volumes: Api<k8s_openapi::api::core::v1::PersistentVolume> = Api::all(stage.client.clone());
    eventually("no volume", async || {
        let found = volumes.get_opt(&volume).await?;
        Ok(found.is_none().then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_pod_on_a_lost_node_cannot_end_until_the_node_is_back_or_gone() -> Result<()> {
    let stage = Stage::new("kubelet-lost").await?;
    let pods: Api<Pod> = stage.api();
    stage.kubelets.add_node("lost", &[("only", "lost")]).await?;
    let pod = json!({"nodeSelector": {"only": "lost"}, "containers": [container()]});
    stage.create_set("set", pod).await?;
    stage.pod_is("set-0", "Ready", "True").await?;
    let first = pods.get("set-0").await?.metadata.uid;
    let is_another = async |uid: Option<String>| {
        eventually("another pod", async || {
            let pod = pods.get_opt("set-0").await?;
            Ok(pod.filter(|pod| pod.metadata.uid != uid))
        })
        .await
    };

    stage.kubelets.set_node_ready("lost", false).await?;
    stage.node_is("lost", "False").await?;
    stage.pod_is("set-0", "Ready", "False").await?;
    pods.delete("set-0", &DeleteParams::default()).await?;
    sleep(Duration::from_secs(1)).await;
    let pod = pods.get("set-0").await?;
    ensure!(pod.metadata.uid == first && pod.metadata.deletion_timestamp.is_some());
    stage.kubelets.set_node_ready("lost", true).await?;
    let second = is_another(first).await?.metadata.uid;
    stage.pod_is("set-0", "Ready", "True").await?;

    stage.kubelets.set_node_ready("lost", false).await?;
    pods.delete("set-0", &DeleteParams::default()).await?;
    stage.kubelets.remove_node("lost").await?;
    is_another(second).await?;
    stage.pod_is("set-0", "PodScheduled", "False").await?;
    Ok(())
}

#[tokio::test]
async fn a_simulated_server_becomes_a_node_and_is_lost_when_it_is_deleted() -> Result<()> {
    let stage = Stage::new("kubelet-cloud").await?;
    let cloud = Arc::new(hetzner::Api::start(Options::default()).await?);
    let servers = Servers(&cloud);
    stage
        .kubelets
        .follow(Arc::clone(&cloud), Duration::from_millis(200));
    let order = json!({
        "name": "kubelet-cloud-1", "server_type": "ccx13", "image": "debian-13", "location": "fsn1",
        "labels": {"researchfleet.io/region": "here", "other": "label"},
    });
    let created = servers.call("POST", "/servers", &order).await?;
    let id = created["server"]["id"].as_i64().context("no id")?;
    let node = stage.node_is("kubelet-cloud-1", "True").await?;
    let labels = node.metadata.labels.context("no labels")?;
    assert_eq!(labels["researchfleet.io/region"], "here");
    assert_eq!(labels["topology.kubernetes.io/zone"], "fsn1");
    assert!(!labels.contains_key("other"), "{labels:?}");
    let address = &created["server"]["public_net"]["ipv4"]["ip"];
    let addresses = node.status.and_then(|status| status.addresses);
    let addresses = json!(addresses);
    for kind in ["InternalIP", "ExternalIP"] {
        let found = json!({"type": kind, "address": address});
        let found = addresses.as_array().is_some_and(|all| all.contains(&found));
        assert!(found, "{addresses}");
    }
    let spec = node.spec.context("no spec")?;
    assert_eq!(spec.provider_id, Some(format!("hcloud://{id}")));

    // Whoever deletes the object has to build the server anew.
    let params = DeleteParams::default();
    stage.nodes().delete("kubelet-cloud-1", &params).await?;
    sleep(Duration::from_secs(1)).await;
    let found = stage.nodes().get_opt("kubelet-cloud-1").await?;
    assert!(found.is_none(), "{found:?}");
    let rebuild = format!("/servers/{id}/actions/rebuild");
    servers
        .call("POST", &rebuild, &json!({"image": "debian-13"}))
        .await?;
    stage.node_is("kubelet-cloud-1", "True").await?;

    for (action, status) in [("poweroff", "Unknown"), ("poweron", "True")] {
        let path = format!("/servers/{id}/actions/{action}");
        servers.call("POST", &path, &json!({})).await?;
        stage.node_is("kubelet-cloud-1", status).await?;
    }
    let path = format!("/servers/{id}");
    servers.call("DELETE", &path, &json!({})).await?;
    stage.node_is("kubelet-cloud-1", "Unknown").await?;
    Ok(())
}

/// The API of a simulated cloud.
struct Servers<'a>(&'a hetzner::Api);

impl Servers<'_> {
    async fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.0.endpoint()))
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json")
            .body(Full::<Bytes>::from(body.to_string()))?;
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http();
        let answer = http.request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{status}: {body:?}");
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }
}
