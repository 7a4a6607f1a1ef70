//! From nothing, back to nothing, and all that is quiet in between.

use std::time::Duration;

use anyhow::{Context as _, Result};
use fleet_operator::keeper::{KeptState, ServerPhase};
use fleet_sim::hetzner::TOKEN;
use kube::ResourceExt as _;
use secrecy::SecretString;
use tokio::time::timeout;

use super::World;

#[tokio::test]
async fn servers_are_made_join_and_are_left_in_peace() -> Result<()> {
    let world = World::new("first", &[("us", "ash"), ("asia", "sin")]).await?;
    let kept = world.tick().await?;
    assert!(matches!(kept.state, KeptState::InProgress(_)), "{kept:?}");
    assert_eq!(kept.servers["us"].phase, ServerPhase::Provisioning);
    assert_eq!(world.servers().len(), 2);
    assert_eq!(world.tokens().await?.len(), 2);

    let kept = world.tick().await?;
    assert_eq!(kept.servers["us"].phase, ServerPhase::Joining);
    let status = kept.servers["us"].status.as_ref().context("no server")?;
    assert_eq!(
        (status.id, status.location.as_str()),
        (world.server("us")?.meta.id, "ash")
    );

    let kept = world.settle().await?;
    assert_eq!(kept.servers["us"].phase, ServerPhase::Ready);
    assert_eq!(kept.servers["us"].node.as_deref(), Some("first-us"));
    assert!(
        kept.monthly
            .is_some_and(|money| money.to_string() != "0.00")
    );
    let labels = world.nodes.get("first-asia").await?;
    let labels = labels.labels();
    assert_eq!(labels["researchfleet.io/fleet"], "first");
    assert_eq!(labels["researchfleet.io/role"], "region");
    assert_eq!(labels["researchfleet.io/region"], "asia");
    assert_eq!(world.tokens().await?, [""; 0]);
    world.is_quiet().await?;
    world.is_quiet().await?;
    let expected = ["NodeJoined", "ServerCreated"];
    assert_eq!(world.told(), expected.into());
    Ok(())
}

#[tokio::test]
async fn a_server_that_somebody_deletes_comes_back() -> Result<()> {
    let world = World::new("again", &[("us", "ash"), ("asia", "sin")]).await?;
    world.settle().await?;
    let (before, node) = (
        world.server("us")?.meta.id,
        world.nodes.get("again-us").await?,
    );
    world.delete_server("again-us").await?;
    world.set_ready("again-us", false, 0).await?;
    world.settle().await?;
    assert_ne!(world.server("us")?.meta.id, before);
    assert_ne!(world.nodes.get("again-us").await?.uid(), node.uid());
    world.is_quiet().await
}

#[tokio::test]
async fn a_tick_that_ends_at_any_moment_is_carried_on() -> Result<()> {
    let mut world = World::new("moments", &[("us", "ash"), ("asia", "sin")]).await?;
    for round in 0..3 {
        for milliseconds in [1, 3, 7, 12, 20, 30, 45, 60, 80, 110, 150, 200] {
            let tick = timeout(Duration::from_millis(milliseconds), world.tick()).await;
            if let Ok(kept) = tick {
                kept?;
            }
            world.within_budget()?;
            world.join().await?;
        }
        world.settle().await?;
        assert_eq!(world.servers().len(), 2);
        world.is_quiet().await?;
        assert_eq!(world.tokens().await?, [""; 0]);
        match round {
            // They are told something else now.
            0 => world.change(|fleet| {
                fleet
                    .spec
                    .regions
                    .iter_mut()
                    .for_each(|it| it.listen.port += 7);
            }),
            _ => world.change(|fleet| fleet.spec.regions[0].name = "elsewhere".to_owned()),
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_is_deleted_leaves_the_control_plane_alone() -> Result<()> {
    let world = World::new("gone", &[("us", "ash"), ("usa", "ash"), ("asia", "sin")]).await?;
    world.settle().await?;
    let token = SecretString::from(TOKEN);
    // A token that nobody has used.
    fleet_operator::cluster::create_token(
        &world.cluster,
        "gone",
        "gone-us",
        fleet_operator::cluster::Joining::K3s,
    )
    .await?;
    for _ in 0..2 {
        world.keeper.destroy(&world.fleet, &token, true).await?;
        let state = world.cloud.state();
        let names: Vec<_> = state
            .servers
            .values()
            .map(|it| it.meta.name.as_str())
            .collect();
        assert_eq!(names, ["gone-control-plane", "somebody-elses"]);
        assert_eq!(state.firewalls.len(), 2);
        assert!(state.placement_groups.is_empty() && state.ssh_keys.is_empty());
        assert_eq!(world.written().await?, [serde_json::Value::Null; 0]);
    }
    Ok(())
}
