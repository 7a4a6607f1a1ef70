//! A fleet is taken away.

use std::time::Duration;

use anyhow::Result;
use fleet_api::{ResearchCollector, names::FLEET_LABEL};
use fleet_operator::cluster::{apply, install, remove};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::time::sleep;

use super::{IMAGE, PATIENCE, manifest, shared};

#[tokio::test]
async fn a_fleet_is_removed_and_what_stays_is_told() -> Result<()> {
    let (_kubernetes, cluster) = shared().await?;
    install(&cluster, IMAGE).await?;
    let manifest = manifest(&cluster, "removed").await?;
    apply(&cluster, &manifest).await?;
    let client = cluster.client();
    let collectors: Api<ResearchCollector> = Api::namespaced(client.clone(), "removed");
    let owner = collectors.get("study").await?;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "removed");
    let child = json!({"metadata": {"name": "child", "ownerReferences": [{
        "apiVersion": "researchfleet.io/v1alpha1", "kind": "ResearchCollector", "name": "study",
        "uid": owner.uid(), "controller": true, "blockOwnerDeletion": true,
    }]}});
    maps.create(&PostParams::default(), &serde_json::from_value(child)?)
        .await?;
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "spool-here", "labels": {(FLEET_LABEL): "study"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), "removed");
    claims
        .create(&PostParams::default(), &serde_json::from_value(claim)?)
        .await?;

    let held = json!({"metadata": {"finalizers": ["researchfleet.io/servers"]}});
    collectors
        .patch("study", &PatchParams::default(), &Patch::Merge(&held))
        .await?;
    let short = Duration::from_secs(1);
    let error = remove(&cluster, Some("removed"), "study", short)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("researchfleet.io/servers"),
        "{error}"
    );
    // What belongs to it has gone meanwhile, and the operator lets go.
    while collectors.get("study").await?.finalizers() != ["researchfleet.io/servers"] {
        sleep(Duration::from_millis(50)).await;
    }
    assert!(maps.get_opt("child").await?.is_none());
    let freed = json!({"metadata": {"finalizers": null}});
    collectors
        .patch("study", &PatchParams::default(), &Patch::Merge(&freed))
        .await?;
    let gone = remove(&cluster, Some("removed"), "study", PATIENCE).await?;
    assert!(!gone.was_there);

    // Another with nothing that holds it.
    apply(&cluster, &manifest).await?;
    let removed = remove(&cluster, Some("removed"), "study", PATIENCE).await?;
    assert!(removed.was_there);
    assert_eq!(
        removed.stays,
        ["Secret/account", "PersistentVolumeClaim/spool-here"]
    );
    let again = remove(&cluster, Some("removed"), "study", PATIENCE).await?;
    assert!(!again.was_there);
    assert_eq!(again.stays, ["PersistentVolumeClaim/spool-here"]);
    Ok(())
}
