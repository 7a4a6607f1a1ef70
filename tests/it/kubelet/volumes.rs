//! Volumes of pods.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::Stage;
use crate::kube::eventually;

#[tokio::test]
async fn volumes_are_bound_and_grow_where_their_class_lets_them() -> Result<()> {
    let stage = Stage::new("kubelet-volumes").await?;
    let claims: Api<PersistentVolumeClaim> = stage.api();
    // The first has the default class.
    for (name, class) in [("grows", json!(null)), ("stays", json!("stiff"))] {
        let claim = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {
                "storageClassName": class,
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }))?;
        claims.create(&PostParams::default(), &claim).await?;
    }
    let has = async |name: &str, size: &str| {
        eventually(&format!("{name} of {size}"), async || {
            let status = claims.get(name).await?.status;
            let status = status.filter(|status| status.phase.as_deref() == Some("Bound"));
            let capacity = status.and_then(|status| status.capacity);
            let found = capacity.and_then(|capacity| capacity.get("storage").cloned());
            Ok(found.filter(|found| found.0 == size))
        })
        .await
    };
    has("grows", "1Gi").await?;
    has("stays", "1Gi").await?;

    let bigger = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}});
    let bigger = Patch::Merge(bigger);
    let params = PatchParams::default();
    claims.patch("grows", &params, &bigger).await?;
    has("grows", "2Gi").await?;
    claims.patch("stays", &params, &bigger).await.unwrap_err();

    let claim = claims.get("grows").await?;
    let volume = claim.spec.and_then(|spec| spec.volume_name);
    let volume = volume.context("no volume")?;
    claims.delete("grows", &DeleteParams::default()).await?;
    let volumes: Api<PersistentVolume> = Api::all(stage.client.clone());
    eventually("no volume", async || {
        let found = volumes.get_opt(&volume).await?;
        Ok(found.is_none().then_some(()))
    })
    .await
}
