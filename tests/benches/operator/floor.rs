//! The least that a controller can do: it writes one `ConfigMap` for each object.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use fleet_api::ResearchCollector;
use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Resource as _, ResourceExt as _,
    api::{Patch, PatchParams},
    runtime::{
        controller::{Action, Config, Controller},
        watcher,
    },
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::cluster::Cluster;

const POLL: Duration = Duration::from_millis(100);

/// How long it takes from the first create.
pub(crate) async fn run(cluster: &Cluster) -> Result<Duration> {
    let owners = watcher::Config::default();
    let controller = Controller::new(cluster.api::<ResearchCollector>(), owners)
        .owns(cluster.api::<ConfigMap>(), watcher::Config::default())
        .with_config(Config::default().concurrency(16))
        .run(look, again, Arc::new(cluster.client.clone()))
        .for_each(|_| std::future::ready(()));
    let controller = tokio::spawn(controller);
    let begun = Instant::now();
    cluster.create().await?;
    while cluster.has::<ConfigMap>().await.is_err() {
        sleep(POLL).await;
    }
    let took = begun.elapsed();
    controller.abort();
    Ok(took)
}

async fn look(fleet: Arc<ResearchCollector>, client: Arc<Client>) -> kube::Result<Action> {
    let name = fleet.name_any();
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "labels": {"researchfleet.io/fleet": name},
            "ownerReferences": [fleet.controller_owner_ref(&())],
        },
        "data": {"regions": fleet.spec.regions.len().to_string()},
    });
    let namespace = fleet.namespace().unwrap_or_default();
    let maps: Api<ConfigMap> = Api::namespaced(Client::clone(&client), &namespace);
    let params = PatchParams::apply("floor").force();
    maps.patch(&name, &params, &Patch::Apply(&map)).await?;
    Ok(Action::requeue(Duration::from_mins(5)))
}

fn again(_: Arc<ResearchCollector>, _: &kube::Error, _: Arc<Client>) -> Action {
    Action::requeue(Duration::from_secs(1))
}
