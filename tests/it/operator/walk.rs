//! Every field of the spec is changed: the cluster follows, or a condition says why not, and what is put back is as if
//! it had never been away.
//!
//! The oracle is Acto's (SOSP '23): a state that was reached by a detour equals that of a fleet that was never anything
//! else.

mod archive;
mod collectors;
mod database;
mod fields;
mod look;
mod oracle;
mod rollout;
mod row;
mod servers;
mod wrong;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use self::{
    look::Seen,
    row::{Row, changed},
};
use super::world::World;

/// Everything that a fleet can have, small: an existing node for one region, and a server for the other.
fn rich() -> Value {
    let volume = |size: &str| json!({"size": size, "storageClassName": "standard"});
    json!({
        "network": "soulseek",
        "regions": [
            {"name": "north", "credentialsSecretRef": {"name": "north"}, "spool": volume("1Gi")},
            {
                "name": "south", "credentialsSecretRef": {"name": "south"}, "spool": volume("1Gi"),
                "location": "fsn1", "serverTypes": ["cx23", "cpx22"],
            },
        ],
        "database": {"managed": {
            "volume": volume("10Gi"),
            "backup": {"volume": volume("10Gi")},
        }},
        "archive": {"destination": {"volume": volume("10Gi")}},
        "reports": {"schedule": "@yearly"},
        "infrastructure": {"hetzner": {"tokenSecretRef": {"name": "hcloud"}}},
    })
}

/// All rows; those of one theme stand in one file.
fn table() -> Vec<Row> {
    let themes = [
        collectors::rows(),
        database::rows(),
        archive::rows(),
        servers::rows(),
    ];
    themes.into_iter().flatten().collect()
}

/// With all Secrets and nodes that a row can name.
async fn world() -> Result<World> {
    let world = World::running().await?;
    for name in ["other", "canary", "west"] {
        let account = json!({"username": format!("user-{name}"), "password": "hunter2-Zebra"});
        world.secret(name, account).await?;
    }
    let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    world.secret("key", json!({"key": key})).await?;
    let url = "postgres://writer:hunter2-Zebra@db.example.org/fleet";
    world.secret("url", json!({"url": url})).await?;
    let bucket = json!({"access-key-id": "AKIA", "secret-access-key": "hunter2-Zebra"});
    world.secret("bucket", bucket).await?;
    let token = json!({"token": fleet_sim::hetzner::TOKEN});
    world.secret("hcloud-other", token).await?;
    let node = format!("{}-fast", world.name);
    world.kubelets.add_node(&node, &[("disk", "fast")]).await?;
    Ok(world)
}

/// Applies a row to a spec, and waits until what it promises is seen.
async fn follow(world: &World, spec: &Value, rows: &[&Row]) -> Result<()> {
    let name = rows.iter().map(|row| row.name()).collect::<Vec<_>>();
    let name = name.join(" and ");
    let spec = rows
        .iter()
        .fold(spec.clone(), |spec, row| changed(&spec, &row.set));
    world
        .apply(&spec)
        .await
        .with_context(|| format!("{name} is refused"))?;
    let status = world
        .until(&name, |status| {
            rows.iter().any(|row| row.is_settled(status))
        })
        .await?;
    // At once: who says that all is as the spec wants it has done it already.
    let seen = Seen::of(world, status).await?;
    for row in rows {
        for see in &row.sees {
            seen.check(see)
                .with_context(|| format!("{name}: {}", row.name()))?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn each_field_alone_then_pairs_then_back() -> Result<()> {
    let world = world().await?;
    let rows = table();
    let mut spec = rich();
    world.apply(&spec).await?;
    world.ready().await?;
    let mut missed = Vec::new();
    for row in &rows {
        let begun = tokio::time::Instant::now();
        if let Err(error) = follow(&world, &spec, &[row]).await {
            missed.push(format!("{error:#}"));
        }
        println!("{:>6} ms {}", begun.elapsed().as_millis(), row.name());
        if row.stays {
            // A volume cannot shrink.
            spec = changed(&spec, &row.set);
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n\n"));

    for pair in row::pairs(&rows, 20) {
        follow(&world, &spec, &pair).await?;
    }
    oracle::is_as_if_new(&world, &spec).await
}
