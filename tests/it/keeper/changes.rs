//! What changes servers that are there.

use anyhow::{Context as _, Result};
use fleet_api::{Region, ServerUpdate};
use fleet_operator::keeper::{KeptState, ServerPhase};
use fleet_sim::hetzner::Fault;
use k8s_openapi::api::{core::v1::Pod, policy::v1::PodDisruptionBudget};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{World, pod, problem, spec};

const TWO: [(&str, &str); 2] = [("us", "ash"), ("asia", "sin")];

#[tokio::test]
async fn what_is_told_otherwise_is_rebuilt_one_after_the_other() -> Result<()> {
    let mut world = World::new("drift", &TWO).await?;
    world.settle().await?;
    let ids = |world: &World| -> Vec<_> { world.servers().iter().map(|it| it.meta.id).collect() };
    let told = |world: &World| -> Result<Vec<_>> {
        let of = |region| anyhow::Ok(world.server(region)?.user_data.map(|it| it.0));
        Ok(vec![of("us")?, of("asia")?])
    };
    let (before, first) = (ids(&world), told(&world)?);
    world.change(|fleet| {
        fleet.spec.update_policy.servers = ServerUpdate::Keep;
        fleet
            .spec
            .regions
            .iter_mut()
            .for_each(|it| it.listen.port += 7);
    });
    let kept = world.settle().await?;
    assert!(kept.servers["us"].message.is_some());
    assert_eq!(told(&world)?, first);
    world.is_quiet().await?;

    world.change(|fleet| fleet.spec.update_policy.servers = ServerUpdate::Rebuild);
    let rebuilt = |now: Vec<_>| {
        now.iter()
            .zip(&first)
            .filter(|(now, first)| now != first)
            .count()
    };
    world.tick().await?;
    assert_eq!(rebuilt(told(&world)?), 1);
    // Its node is not there: the other has to wait.
    for _ in 0..3 {
        world.tick().await?;
        assert_eq!(rebuilt(told(&world)?), 1);
    }
    world.settle().await?;
    assert_eq!(rebuilt(told(&world)?), 2);
    assert_eq!(ids(&world), before);
    assert!(world.told().contains("ServerRebuilt"));
    assert_eq!(world.tokens().await?, [""; 0]);
    world.is_quiet().await
}

#[tokio::test]
async fn a_node_that_is_lost_for_too_long_is_replaced() -> Result<()> {
    let mut world = World::new("lost", &TWO).await?;
    // Or they would be too young to be lost for so long.
    world
        .cloud
        .faults()
        .always(Fault::ClockSkew { seconds: -7200 });
    world.change(|fleet| fleet.spec.update_policy.replace_not_ready_minutes = 0);
    world.settle().await?;
    world.cloud.faults().clear();
    world.change(|fleet| fleet.spec.update_policy.replace_not_ready_minutes = 15);
    let before = (world.server("us")?.meta.id, world.server("asia")?.meta.id);

    world.set_ready("lost-us", false, 10).await?;
    let kept = world.tick().await?;
    assert!(matches!(kept.state, KeptState::InProgress(_)), "{kept:?}");
    assert_eq!(kept.servers["us"].phase, ServerPhase::Joining);
    // All of them at once: that is not the servers' fault.
    world.set_ready("lost-us", false, 30).await?;
    world.set_ready("lost-asia", false, 30).await?;
    let kept = world.tick().await?;
    assert_eq!(problem(&kept).0, "NodeNotReady", "{kept:?}");
    assert!(problem(&kept).1.contains("network"));
    assert_eq!(kept.servers["us"].phase, ServerPhase::Failed);
    assert_eq!(world.server("us")?.meta.id, before.0);

    world.set_ready("lost-asia", true, 0).await?;
    // What was seen of the nodes may be old: the node is back.
    let old = world
        .nodes
        .list(&kube::api::ListParams::default())
        .await?
        .items;
    world.set_ready("lost-us", true, 0).await?;
    world.tick_with(&old).await?;
    assert_eq!(world.server("us")?.meta.id, before.0);

    world.set_ready("lost-us", false, 30).await?;
    world.tick().await?;
    assert!(world.server("us").is_err());
    world.settle().await?;
    assert_ne!(world.server("us")?.meta.id, before.0);
    assert_eq!(world.server("asia")?.meta.id, before.1);
    world.is_quiet().await
}

#[tokio::test]
async fn what_cannot_be_had_again_is_not_thrown_away() -> Result<()> {
    let mut world = World::new("rare", &TWO[..1]).await?;
    world
        .cloud
        .faults()
        .always(Fault::ClockSkew { seconds: -7200 });
    world.change(|fleet| fleet.spec.update_policy.replace_not_ready_minutes = 0);
    world.settle().await?;
    world.cloud.faults().clear();
    world.cloud.faults().always(Fault::Availability {
        server_type: None,
        location: Some("ash".to_owned()),
        available: false,
    });
    world.change(|fleet| fleet.spec.update_policy.replace_not_ready_minutes = 15);
    world.set_ready("rare-us", false, 30).await?;
    let kept = world.tick().await?;
    assert_eq!(problem(&kept).0, "NoOffer", "{kept:?}");
    world.server("us")?;
    world.cloud.faults().clear();
    // That is found out within a minute; one that has just been started asks at once.
    world.restart();
    let kept = world.tick().await?;
    assert!(world.server("us").is_err(), "{kept:?}");
    Ok(())
}

#[tokio::test]
async fn a_region_that_nobody_wants_is_drained_and_deleted() -> Result<()> {
    let mut world = World::new("fewer", &TWO).await?;
    world.settle().await?;
    let client = world.cluster.client();
    let pods: Api<Pod> = Api::namespaced(client.clone(), "default");
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(client, "default");
    let budget = json!({
        "metadata": {"name": "fewer"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "fewer-guarded"}}},
    });
    let create = PostParams::default();
    budgets
        .create(&create, &serde_json::from_value(budget)?)
        .await?;
    for name in ["fewer-guarded", "fewer-free"] {
        let pod = serde_json::from_value(pod(name, "fewer-asia"))?;
        let made = async || {
            // The default account comes a moment after its namespace.
            while pods.create(&create, &pod).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), made()).await?;
        let runs = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        let patch = Patch::Strategic(runs);
        pods.patch_status(name, &PatchParams::default(), &patch)
            .await?;
    }
    let counted = async || {
        // A budget is worth something when the cluster has counted.
        loop {
            let budget = budgets.get("fewer").await?;
            if budget
                .status
                .is_some_and(|it| it.current_healthy == Some(1))
            {
                return anyhow::Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), counted()).await??;
    world.change(|fleet| fleet.spec.regions.retain(|it| it.name == "us"));
    // Cordoned and drained first.
    let (kept, seen) = tokio::join!(world.tick(), async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let node = world.nodes.get("fewer-asia").await?;
        let cordoned = node.spec.and_then(|spec| spec.unschedulable);
        anyhow::Ok((
            cordoned,
            world.server("asia").is_ok(),
            pods.get_opt("fewer-free").await?,
        ))
    });
    kept?;
    let (cordoned, is_there, free) = seen?;
    assert_eq!((cordoned, is_there), (Some(true), true));
    assert!(free.is_none(), "it was not evicted");
    assert!(world.told().contains("NodeNotDrained"));
    world.settle().await?;
    assert!(world.server("asia").is_err());
    assert!(world.nodes.get_opt("fewer-asia").await?.is_none());
    world.is_quiet().await
}

#[tokio::test]
async fn regions_that_are_renamed_never_cost_more_than_one_server_besides() -> Result<()> {
    let mut world = World::new("names", &[("a", "ash"), ("b", "ash"), ("c", "sin")]).await?;
    world.settle().await?;
    world.change(|fleet| {
        let rename = |region: &mut Region| region.name.push('2');
        fleet.spec.regions.iter_mut().for_each(rename);
    });
    let kept = world.settle().await?;
    let names: Vec<_> = kept.servers.keys().map(String::as_str).collect();
    assert_eq!(names, ["a2", "b2", "c2"]);
    world.is_quiet().await
}

#[tokio::test]
async fn servers_join_what_they_are_told_to() -> Result<()> {
    let told = |world: &World| -> Result<String> {
        Ok(world.server("us")?.user_data.context("told nothing")?.0)
    };
    let k3s = World::new("own", &TWO[..1]).await?;
    k3s.tick().await?;
    let status = k3s.cloud.state();
    let control_plane = status
        .server("own-control-plane")
        .context("no control plane")?;
    let mut addresses = status.primary_ips.values();
    let address = addresses.find(|ip| ip.assignee == Some(control_plane.meta.id));
    let address = &address.context("no address")?.ip;
    assert!(told(&k3s)?.contains(&format!("https://{address}:6443")));

    let world = World::with("kubeadm", &TWO[..1], |options| {
        options.joining = fleet_operator::cluster::Joining::Kubeadm;
        options.join_address = Some("https://api.example.org:7443".to_owned());
    })
    .await?;
    world.settle().await?;
    let text = told(&world)?;
    assert!(text.contains("api.example.org:7443") && !text.contains("https://api.example.org"));
    assert!(text.contains("sha256:"));
    world.is_quiet().await?;

    // Neither a control plane nor anything else that tells the address.
    let mut lost = World::new("nowhere", &TWO[..1]).await?;
    lost.fleet = spec("elsewhere", &TWO[..1], "")?;
    let kept = lost.tick().await?;
    assert!(problem(&kept).1.contains("--join-address"), "{kept:?}");
    assert_eq!(lost.servers().len(), 0);
    Ok(())
}
