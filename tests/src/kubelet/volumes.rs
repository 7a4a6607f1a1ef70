//! Whoever makes volumes and lets them grow. The controllers of the control plane bind them to their claims.

use std::sync::Arc;

use anyhow::Result;
use k8s_openapi::api::{
    core::v1::{PersistentVolume, PersistentVolumeClaim},
    storage::v1::StorageClass,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    runtime::controller::Action,
};
use serde_json::json;

use super::{BEAT, pods::gone_is_fine, world::World};

/// The name under which classes ask for a volume from here.
const PROVISIONER: &str = "volumes.played";
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// `standard`, the default, whose volumes can grow, and `stiff`, whose volumes cannot.
pub(super) async fn make_classes(client: &Client) -> Result<()> {
    let classes: Api<StorageClass> = Api::all(client.clone());
    for (name, grows) in [("standard", true), ("stiff", false)] {
        let class: StorageClass = serde_json::from_value(json!({
            "metadata": {"name": name, "annotations": {DEFAULT_CLASS: grows.to_string()}},
            "provisioner": PROVISIONER,
            "allowVolumeExpansion": grows,
            "volumeBindingMode": "Immediate",
            "reclaimPolicy": "Delete",
        }))?;
        // Another test may have made it.
        gone_is_fine(classes.create(&PostParams::default(), &class).await)?;
    }
    Ok(())
}

pub(super) async fn look_at_claim(
    claim: Arc<PersistentVolumeClaim>,
    world: Arc<World>,
) -> Result<Action, kube::Error> {
    if claim.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let status = claim.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    if phase != Some("Bound") {
        // The controllers ask for it with this, once they know the class.
        let wanted = claim.annotations().iter().any(|(key, value)| {
            key.ends_with("kubernetes.io/storage-provisioner") && value == PROVISIONER
        });
        if wanted {
            make_volume(&world, &claim).await?;
        }
        return Ok(Action::await_change());
    }
    let requested = claim.spec.as_ref().and_then(|spec| {
        let requests = spec.resources.as_ref()?.requests.as_ref()?;
        requests.get("storage")
    });
    let capacity = status.and_then(|status| status.capacity.as_ref()?.get("storage"));
    let uid = claim.uid().unwrap_or_default();
    if requested == capacity {
        // The next growth begins anew.
        world.since(&uid, "bound");
        return Ok(Action::await_change());
    }
    let elapsed = world.since(&uid, "growing");
    if elapsed < BEAT {
        return Ok(Action::requeue(BEAT.saturating_sub(elapsed)));
    }
    let capacity = json!({"storage": requested});
    let params = PatchParams::default();
    let volumes: Api<PersistentVolume> = Api::all(world.client.clone());
    let patch = Patch::Merge(json!({"spec": {"capacity": capacity}}));
    gone_is_fine(volumes.patch(&volume_name(&claim), &params, &patch).await)?;
    let patch = Patch::Merge(json!({"status": {"capacity": capacity}}));
    let claims = claims(&world, &claim);
    gone_is_fine(
        claims
            .patch_status(&claim.name_any(), &params, &patch)
            .await,
    )?;
    Ok(Action::await_change())
}

async fn make_volume(world: &World, claim: &PersistentVolumeClaim) -> Result<(), kube::Error> {
    let Some(spec) = &claim.spec else {
        return Ok(());
    };
    let requests = spec
        .resources
        .as_ref()
        .and_then(|all| all.requests.as_ref());
    let name = volume_name(claim);
    let volume = json!({
        "metadata": {"name": name, "annotations": {PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "accessModes": spec.access_modes,
            "capacity": {"storage": requests.and_then(|requests| requests.get("storage"))},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "name": claim.name_any(),
                "namespace": claim.namespace(),
                "uid": claim.uid(),
            },
            // Never attached to a node, so that nobody waits for it.
            "hostPath": {"path": format!("/played/{name}")},
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": spec.storage_class_name,
            "volumeMode": spec.volume_mode,
        },
    });
    let volume = serde_json::from_value(volume).map_err(kube::Error::SerdeError)?;
    let volumes: Api<PersistentVolume> = Api::all(world.client.clone());
    gone_is_fine(volumes.create(&PostParams::default(), &volume).await)
}

/// Deletes a volume whose claim is gone.
pub(super) async fn look_at_volume(
    volume: Arc<PersistentVolume>,
    world: Arc<World>,
) -> Result<Action, kube::Error> {
    let phase = volume
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    let spec = volume.spec.as_ref();
    let policy = spec.and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
    let claim = spec.and_then(|spec| spec.claim_ref.as_ref());
    let namespace = claim.and_then(|claim| claim.namespace.as_ref());
    let here = world.namespace.is_none() || world.namespace.as_ref() == namespace;
    let made_here = volume.annotations().get(PROVISIONED_BY).map(String::as_str);
    let deleted = volume.metadata.deletion_timestamp.is_some();
    if here
        && !deleted
        && phase == Some("Released")
        && policy == Some("Delete")
        && made_here == Some(PROVISIONER)
    {
        let volumes: Api<PersistentVolume> = Api::all(world.client.clone());
        gone_is_fine(
            volumes
                .delete(&volume.name_any(), &DeleteParams::default())
                .await,
        )?;
    }
    Ok(Action::await_change())
}

fn volume_name(claim: &PersistentVolumeClaim) -> String {
    format!("pvc-{}", claim.uid().unwrap_or_default())
}

fn claims(world: &World, claim: &PersistentVolumeClaim) -> Api<PersistentVolumeClaim> {
    let namespace = claim.namespace().unwrap_or_default();
    Api::namespaced(world.client.clone(), &namespace)
}
