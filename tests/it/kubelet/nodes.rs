//! Nodes that are lost, and those that are servers of a simulated cloud.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use fleet_sim::hetzner::{self, Options, TOKEN};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::DeleteParams};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Stage, container};
use crate::kube::eventually;

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
