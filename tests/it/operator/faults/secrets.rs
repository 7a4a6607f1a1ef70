//! Secrets without which something cannot go on.

use std::time::Duration;

use anyhow::{Result, ensure};
use fleet_sim::hetzner::TOKEN;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;
use tokio::time::sleep;

use super::{cycles::Cycle, life::Life};
use crate::operator::world::{World, condition, spec};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_token_the_end_waits_for_it() -> Result<()> {
    let life = Life::before(Cycle::Delete).await?;
    let world = &life.world;
    let secrets = world.api::<Secret>();
    secrets.delete("hcloud", &DeleteParams::default()).await?;
    world.delete().await?;
    world
        .eventually("it says why it does not go", async || {
            let fleet = world.fleet().await?;
            let status = fleet.status.unwrap_or_default();
            let mut conditions = status.conditions.iter();
            Ok(conditions.any(|condition| {
                condition.type_ == "Ready"
                    && condition.reason == "Deleting"
                    && condition.message.contains("token is gone")
            }))
        })
        .await?;
    sleep(Duration::from_secs(2)).await;
    let finalizers = world.fleet().await?.metadata.finalizers;
    ensure!(finalizers.is_some_and(|all| all.contains(&"researchfleet.io/operator".to_owned())));
    ensure!(world.servers().len() == 1, "{:?}", world.servers());
    world.secret("hcloud", json!({"token": TOKEN})).await?;
    life.gone().await?;
    ensure!(world.servers().is_empty(), "{:?}", world.servers());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_of_a_database_are_never_made_anew() -> Result<()> {
    let mut world = World::running().await?;
    world.apply(&spec()).await?;
    world.ready().await?;
    let secrets = world.api::<Secret>();
    let name = format!("{}-database-logins", world.name);
    let kept = secrets.get(&name).await?;
    secrets.delete(&name, &DeleteParams::default()).await?;
    // A new process remembers no passwords.
    world.kill().await?;
    world.start()?;
    world
        .until("it says what is gone", |status| {
            condition(status, "DatabaseReady") == ("False", "SecretMissing")
        })
        .await?;
    sleep(Duration::from_secs(2)).await;
    ensure!(
        secrets.get_opt(&name).await?.is_none(),
        "other passwords were made"
    );
    // Somebody has a copy.
    let copy = Secret {
        metadata: kube::api::ObjectMeta {
            name: kept.metadata.name,
            labels: kept.metadata.labels,
            ..kube::api::ObjectMeta::default()
        },
        ..kept
    };
    secrets.create(&PostParams::default(), &copy).await?;
    world.ready().await?;
    ensure!(secrets.get(&name).await?.data == copy.data);
    Ok(())
}
