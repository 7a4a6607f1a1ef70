//! Where nothing changes, nothing is written, and the provider is asked once a tick.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::time::sleep;

use super::world::{World, spec};

/// More than a tick of servers where all is well.
const WHILE: Duration = Duration::from_secs(35);

#[tokio::test]
async fn without_a_change_nothing_is_written_and_servers_are_listed_once_a_tick() -> Result<()> {
    let world = World::running().await?;
    world.apply(&spec()).await?;
    world.ready().await?;
    // What follows the last change: events of pods, tokens that are cleaned up.
    sleep(Duration::from_secs(5)).await;
    world.kubernetes.forget();
    world.hetzner.forget();
    // Looks at the fleet: somebody else's annotation is nobody's business.
    let sets: Api<StatefulSet> = world.api();
    for value in ["one", "two"] {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {"example.org/seen": value}}}));
        let name = format!("{}-collector-north", world.name);
        sets.patch(&name, &PatchParams::default(), &patch).await?;
        sleep(Duration::from_secs(1)).await;
    }
    sleep(WHILE).await;
    let calls = world.kubernetes.calls();
    let writes: Vec<_> = calls.iter().filter(|call| call.is_write()).collect();
    assert!(writes.is_empty(), "{writes:#?}");
    // The looks have happened: the Secrets that the spec names are read at each.
    let reads = calls
        .iter()
        .filter(|call| call.path.ends_with("/secrets/north"));
    assert!(reads.count() >= 2, "{calls:#?}");
    let asked = world.hetzner.calls();
    assert!((1..=2).contains(&asked.len()), "{asked:#?}");
    let is_list =
        |call: &fleet_tests::proxy::Call| call.method == "GET" && call.path == "/v1/servers";
    assert!(asked.iter().all(is_list), "{asked:#?}");
    Ok(())
}
