//! From the first `kubectl apply` to the last `kubectl delete`.

use anyhow::{Context as _, Result};
use fleet_api::{RegionPhase, ResearchCollector};
use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    batch::v1::{CronJob, Job},
    core::v1::{Node, PersistentVolumeClaim, Secret},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams},
};
use serde_json::json;

use super::world::{World, condition, spec};

#[tokio::test]
async fn a_fleet_comes_heals_changes_and_goes() -> Result<()> {
    let world = World::running().await?;
    let name = &world.name;
    world.apply(&spec()).await?;
    let status = world.ready().await?;
    assert_eq!(status.recording.as_deref(), Some("2/2"));
    for kind in [
        "ServersReady",
        "DatabaseReady",
        "CollectorsReady",
        "ArchiveHealthy",
    ] {
        assert_eq!(condition(&status, kind).0, "True", "{kind}: {status:#?}");
    }
    assert_eq!(condition(&status, "Progressing").0, "False");
    let south = &status.regions[1];
    assert_eq!(south.phase, RegionPhase::Recording);
    assert_eq!(south.node.as_deref(), Some(&*format!("{name}-south")));
    let server = south.server.as_ref().context("no server")?;
    assert_eq!(server.location, "fsn1");
    assert!(status.monthly_cost.is_some());
    assert_eq!(world.servers(), [format!("{name}-south")]);
    let sets: Api<StatefulSet> = world.api();
    sets.get(&format!("{name}-collector-north")).await?;
    sets.get(&format!("{name}-database")).await?;
    world
        .api::<Deployment>()
        .get(&format!("{name}-pooler"))
        .await?;
    world
        .api::<CronJob>()
        .get(&format!("{name}-archive"))
        .await?;
    world
        .api::<CronJob>()
        .get(&format!("{name}-report"))
        .await?;

    // Somebody deletes the server.
    let id = server.id;
    world.lose_server(id).await?;
    let healed = world
        .until("another server", |status| {
            let server = status
                .regions
                .get(1)
                .and_then(|region| region.server.as_ref());
            server.is_some_and(|server| server.id != id) && condition(status, "Ready").0 == "True"
        })
        .await?;
    assert_eq!(world.servers(), [format!("{name}-south")]);
    assert_eq!(healed.recording.as_deref(), Some("2/2"));

    // Somebody deletes an object.
    sets.delete(&format!("{name}-collector-north"), &DeleteParams::default())
        .await?;
    world
        .eventually("it is made again", async || {
            Ok(sets
                .get_opt(&format!("{name}-collector-north"))
                .await?
                .is_some())
        })
        .await?;

    // A region goes: its collector, its server and its node; its spool stays.
    let mut smaller = spec();
    smaller["regions"].as_array_mut().context("regions")?.pop();
    world.apply(&smaller).await?;
    world
        .eventually("no server", async || Ok(world.servers().is_empty()))
        .await?;
    world.ready().await?;
    assert!(
        sets.get_opt(&format!("{name}-collector-south"))
            .await?
            .is_none()
    );
    let nodes: Api<Node> = Api::all(world.client.clone());
    world
        .eventually("the node is forgotten", async || {
            Ok(nodes.get_opt(&format!("{name}-south")).await?.is_none())
        })
        .await?;
    world
        .api::<PersistentVolumeClaim>()
        .get(&format!("{name}-spool-south"))
        .await?;

    // The end: what holds data stays.
    world.apply(&spec()).await?;
    world.ready().await?;
    world.delete().await?;
    world
        .eventually("the fleet is gone", async || {
            let fleets = world.api::<ResearchCollector>();
            Ok(fleets.get_opt(name).await?.is_none()
                && sets.list(&ListParams::default()).await?.items.is_empty())
        })
        .await?;
    assert!(world.servers().is_empty(), "{:?}", world.servers());
    assert!(
        world
            .api::<Job>()
            .list(&ListParams::default())
            .await?
            .items
            .is_empty()
    );
    let claims = world
        .api::<PersistentVolumeClaim>()
        .list(&ListParams::default())
        .await?;
    let claims: Vec<_> = claims.iter().map(ResourceExt::name_any).collect();
    for kept in ["archive", "database", "spool-north", "spool-south"] {
        assert!(
            claims.contains(&format!("{name}-{kept}")),
            "{kept}: {claims:?}"
        );
    }
    let secrets: Api<Secret> = world.api();
    secrets.get(&format!("{name}-database-logins")).await?;
    let state = world.cloud.state();
    assert!(state.firewalls.is_empty() && state.placement_groups.is_empty());
    Ok(())
}

#[tokio::test]
async fn with_the_policy_delete_nothing_stays() -> Result<()> {
    let world = World::running().await?;
    let mut spec = spec();
    spec["deletionPolicy"] = json!("Delete");
    world.apply(&spec).await?;
    world.ready().await?;
    world.delete().await?;
    world
        .eventually("nothing is left", async || {
            let fleet = world
                .api::<ResearchCollector>()
                .get_opt(&world.name)
                .await?;
            Ok(fleet.is_none() && world.objects().await?.is_empty())
        })
        .await?;
    assert!(world.servers().is_empty());
    Ok(())
}
