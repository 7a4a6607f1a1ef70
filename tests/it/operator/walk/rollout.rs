//! A change goes from region to region, and stops where it does harm.

use std::{collections::BTreeSet, time::Duration};

use anyhow::Result;
use fleet_tests::kubelet::Play;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::operator::world::{World, condition};

const REGIONS: [&str; 3] = ["a", "b", "c"];

fn spec(image: &str) -> Value {
    let region = |(index, name): (usize, &&str)| {
        json!({
            "name": name, "credentialsSecretRef": {"name": name},
            "listen": {"port": 60000 + index, "obfuscatedPort": 0},
        })
    };
    json!({
        "network": "soulseek",
        "image": image,
        "regions": REGIONS.iter().enumerate().map(region).collect::<Vec<_>>(),
        "database": {"managed": {}},
        "updatePolicy": {"deadlineMinutes": 1},
    })
}

/// The regions whose collectors have this image in their template.
async fn with(world: &World, image: &str) -> Result<BTreeSet<&'static str>> {
    let mut found = BTreeSet::new();
    for region in REGIONS {
        let name = format!("{}-collector-{region}", world.name);
        let set = serde_json::to_value(world.api::<StatefulSet>().get(&name).await?)?;
        if set["spec"]["template"]["spec"]["containers"][0]["image"] == image {
            found.insert(region);
        }
    }
    Ok(found)
}

#[tokio::test]
async fn a_change_goes_from_region_to_region_and_stops_where_one_stays_silent() -> Result<()> {
    let world = World::running().await?;
    for region in REGIONS {
        let account = json!({"username": format!("user-{region}"), "password": "hunter2-Zebra"});
        world.secret(region, account).await?;
    }
    let of = |region: &str| format!("{}-collector-{region}", world.name);
    world.apply(&spec("fleet:1")).await?;
    world.ready().await?;

    // The first that is updated hears nothing: the others wait for it.
    world.kubelets.play(&of("a"), Play::NotReady);
    world
        .until("a is silent", |status| {
            status.recording.as_deref() == Some("2/3")
        })
        .await?;
    world.apply(&spec("fleet:2")).await?;
    let waits = |status: &_| condition(status, "Progressing") == ("True", "InProgress");
    world
        .eventually("a has it", async || {
            Ok(with(&world, "fleet:2").await?.contains("a"))
        })
        .await?;
    world.until("b and c wait", waits).await?;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(with(&world, "fleet:2").await?, BTreeSet::from(["a"]));
    assert_eq!(
        world
            .fleet()
            .await?
            .status
            .unwrap_or_default()
            .recording
            .as_deref(),
        Some("2/3")
    );

    // Its minutes are over: somebody has set its clock.
    let long_ago = Timestamp::now() - SignedDuration::from_mins(5);
    let patch = json!({"metadata": {"annotations": {
        "researchfleet.io/updated": long_ago.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }}});
    world
        .api::<StatefulSet>()
        .patch(&of("a"), &PatchParams::default(), &Patch::Merge(&patch))
        .await?;
    let status = world
        .until("it stops", |status| {
            condition(status, "Ready") == ("False", "RolloutStopped")
        })
        .await?;
    assert_eq!(condition(&status, "Progressing").0, "False");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(with(&world, "fleet:2").await?, BTreeSet::from(["a"]));

    // A better image mends what is silent first, and goes on when it records.
    world.apply(&spec("fleet:3")).await?;
    world
        .eventually("a has it", async || {
            Ok(with(&world, "fleet:3").await?.contains("a"))
        })
        .await?;
    assert_eq!(with(&world, "fleet:3").await?, BTreeSet::from(["a"]));
    world.kubelets.play(&of("a"), Play::Ready);
    world.ready().await?;
    assert_eq!(with(&world, "fleet:3").await?, BTreeSet::from(REGIONS));

    // All at once: nobody waits.
    world.kubelets.play(&of("a"), Play::NotReady);
    let mut spec = spec("fleet:4");
    spec["updatePolicy"]["collectors"] = json!("AllAtOnce");
    world.apply(&spec).await?;
    world
        .eventually("all have it", async || {
            Ok(with(&world, "fleet:4").await? == BTreeSet::from(REGIONS))
        })
        .await?;
    world.kubelets.play(&of("a"), Play::Ready);
    world.ready().await?;
    Ok(())
}
