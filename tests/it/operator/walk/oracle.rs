//! A fleet that has been many things equals one that was never anything else.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use fleet_api::ResearchCollector;
use serde_json::Value;

use crate::operator::world::World;

/// Puts the spec back, and compares with a new fleet of the same spec, in the same place.
pub(super) async fn is_as_if_new(world: &World, spec: &Value) -> Result<()> {
    world.apply(spec).await?;
    world.ready().await?;
    let walked = objects(world).await?;
    world.delete().await?;
    world
        .eventually("the fleet is gone", async || {
            let fleets = world.api::<ResearchCollector>();
            Ok(fleets.get_opt(&world.name).await?.is_none())
        })
        .await?;
    world
        .eventually("nothing is left but what is kept", async || {
            let left = objects(world).await?;
            let mut kinds = left.keys().map(|(kind, _)| kind.as_str());
            Ok(kinds.all(|kind| ["PersistentVolumeClaim", "Secret"].contains(&kind)))
        })
        .await?;
    world.apply(spec).await?;
    world.ready().await?;
    let new = objects(world).await?;
    let names = |all: &BTreeMap<_, _>| all.keys().cloned().collect::<Vec<(String, String)>>();
    ensure!(
        names(&walked) == names(&new),
        "walked: {:#?}\nnew: {:#?}",
        names(&walked),
        names(&new)
    );
    for (name, object) in &walked {
        let other = &new[name];
        ensure!(
            object == other,
            "{name:?}\nwalked: {object:#}\nnew: {other:#}"
        );
    }
    Ok(())
}

/// By kind and name, without what differs from life to life.
async fn objects(world: &World) -> Result<BTreeMap<(String, String), Value>> {
    let mut all = BTreeMap::new();
    for mut object in world.objects().await? {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
        // Pods come and go, and so do runs: what they are made from is compared.
        if kind == "Pod" || (kind == "Job" && !name.contains("-migrate-")) {
            continue;
        }
        plain(&mut object);
        all.insert((kind, name), object);
    }
    Ok(all)
}

/// Ids, and how many times something has changed.
fn plain(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, _| {
                key != "uid"
                    && !key.ends_with("controller-uid")
                    && key != "deployment.kubernetes.io/revision"
            });
            fields.values_mut().for_each(plain);
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}
