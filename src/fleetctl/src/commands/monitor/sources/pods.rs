//! The pods of a fleet in its cluster.

use std::path::Path;

use anyhow::Context as _;
use fleet_api::Manifest;
use fleet_api::names::FLEET_LABEL;
use fleet_operator::cluster::Cluster;
use k8s_openapi::api::core::v1 as core;
use kube::api::{Api, ListParams};

use crate::commands::monitor::snapshot::Pod;
use crate::failure::Failure;

/// The pods of a fleet, in the namespace of its spec or else that of the kubeconfig.
#[derive(Debug)]
pub(crate) struct PodSource {
    cluster: Cluster,
    namespace: String,
    ours: ListParams,
}

impl PodSource {
    /// The cluster of the kubeconfig, or of the environment's.
    pub(crate) async fn of(
        manifest: &Manifest,
        kubeconfig: Option<&Path>,
    ) -> Result<Self, Failure> {
        let cluster = Cluster::connect(kubeconfig, None).await.map_err(|error| {
            let hint = "name the file with --kubeconfig, or unset KUBECONFIG to watch no pods";
            let hint = error.hint().unwrap_or_else(|| hint.to_owned());
            Failure::bad_file(error, hint)
        })?;
        let namespace = manifest.collector.metadata.namespace.clone();
        Ok(Self {
            namespace: namespace.unwrap_or_else(|| cluster.client().default_namespace().to_owned()),
            ours: ListParams::default().labels(&format!("{FLEET_LABEL}={}", manifest.name())),
            cluster,
        })
    }

    pub(super) async fn poll(&self) -> Result<Vec<Pod>, anyhow::Error> {
        let pods: Api<core::Pod> = Api::namespaced(self.cluster.client(), &self.namespace);
        let listed = pods.list(&self.ours).await;
        let listed = listed.with_context(|| self.cluster.server().to_owned())?;
        Ok(listed.into_iter().map(row).collect())
    }
}

fn row(pod: core::Pod) -> Pod {
    let status = pod.status.unwrap_or_default();
    let mut conditions = status.conditions.iter().flatten();
    let restarts = status
        .container_statuses
        .iter()
        .flatten()
        .map(|container| container.restart_count);
    Pod {
        name: pod.metadata.name.unwrap_or_default(),
        ready: conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True"),
        restarts: restarts.sum(),
        node: pod.spec.and_then(|spec| spec.node_name),
        phase: status.phase.unwrap_or_else(|| "Unknown".to_owned()),
    }
}
