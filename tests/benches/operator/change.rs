//! How soon a change of a spec is seen in the cluster.

use std::time::Duration;

use anyhow::{Context as _, Result};
use fleet_api::ResearchCollector;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::cluster::{Cluster, name};

const POLL: Duration = Duration::from_millis(5);

/// In milliseconds.
pub(crate) struct Changes {
    pub(crate) median: f64,
    pub(crate) worst: f64,
}

/// From the API server's answer to the change until the collector has it.
pub(crate) async fn measure(cluster: &Cluster, changes: usize) -> Result<Changes> {
    let mut took = Vec::new();
    for index in 0..changes {
        let name = name(index * cluster.fleets / changes);
        let image = "fleet:changed";
        let patch = Patch::Merge(json!({"spec": {"image": image}}));
        let fleets = cluster.api::<ResearchCollector>();
        fleets.patch(&name, &PatchParams::default(), &patch).await?;
        let begun = Instant::now();
        let set = format!("{name}-collector-here");
        loop {
            let found = cluster.api::<StatefulSet>().get(&set).await?;
            let spec = found.spec.and_then(|spec| spec.template.spec);
            if spec.is_some_and(|spec| spec.containers[0].image.as_deref() == Some(image)) {
                break;
            }
            sleep(POLL).await;
        }
        took.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    took.sort_by(f64::total_cmp);
    Ok(Changes {
        median: took[took.len() / 2],
        worst: *took.last().context("nothing was measured")?,
    })
}
