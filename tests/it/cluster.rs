//! What `fleetctl deploy` does in a cluster, against a real API server.

mod apply;
mod install;
mod join;
mod remove;

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use fleet_api::Manifest;
use fleet_operator::cluster::{Applied, Cluster, Outcome};
use fleet_tests::kube::Kubernetes;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};

const IMAGE: &str = "fleetd:of-a-test";
const PATIENCE: Duration = Duration::from_mins(1);

const SPEC: &str = "
apiVersion: v1
kind: Secret
metadata: {name: account}
stringData: {username: anna, password: hunter2-Zebra, old: value}
---
apiVersion: researchfleet.io/v1alpha1
kind: ResearchCollector
metadata: {name: study}
spec:
  network: soulseek
  regions: [{name: here, credentialsSecretRef: {name: account}}]
";

async fn shared() -> Result<(Arc<Kubernetes>, Cluster)> {
    let kubernetes = Kubernetes::shared().await?;
    let cluster = connect(&kubernetes).await?;
    Ok((kubernetes, cluster))
}

async fn connect(kubernetes: &Kubernetes) -> Result<Cluster> {
    Ok(Cluster::connect(Some(&kubernetes.kubeconfig_file()), None).await?)
}

/// A spec in a namespace of the test's own.
async fn manifest(cluster: &Cluster, namespace: &str) -> Result<Manifest> {
    let mut manifest = Manifest::parse(SPEC, "study.yaml")?;
    manifest.collector.metadata.namespace = Some(namespace.to_owned());
    let metadata = ObjectMeta {
        name: Some(namespace.to_owned()),
        ..ObjectMeta::default()
    };
    let namespace = Namespace {
        metadata,
        ..Namespace::default()
    };
    Api::all(cluster.client())
        .create(&PostParams::default(), &namespace)
        .await?;
    Ok(manifest)
}

fn outcomes(applied: &[Applied]) -> Vec<(&str, Outcome)> {
    applied
        .iter()
        .map(|applied| (applied.name.as_str(), applied.outcome))
        .collect()
}
