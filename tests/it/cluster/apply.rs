//! A spec is applied, or refused.

use std::fs;

use anyhow::{Context, Result};
use fleet_api::{Manifest, ResearchCollector};
use fleet_operator::cluster::{Cluster, ClusterError, Outcome, apply, install, remove};
use fleet_tests::kube::Kubernetes;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    config::AuthInfo,
};
use secrecy::SecretString;
use serde_json::json;

use super::{IMAGE, PATIENCE, SPEC, connect, manifest, outcomes, shared};

#[tokio::test]
async fn a_spec_is_applied_and_applied_again() -> Result<()> {
    let (_kubernetes, cluster) = shared().await?;
    install(&cluster, IMAGE).await?;
    let mut manifest = manifest(&cluster, "applied").await?;
    let names = ["Secret/account", "ResearchCollector/study"];
    for outcome in [Outcome::Created, Outcome::Unchanged] {
        let applied = apply(&cluster, &manifest).await?;
        assert_eq!(outcomes(&applied), names.map(|name| (name, outcome)));
    }
    let secrets: Api<Secret> = Api::namespaced(cluster.client(), "applied");
    let label =
        json!({"metadata": {"labels": {"of": "somebody"}}, "stringData": {"password": "other"}});
    secrets
        .patch("account", &PatchParams::default(), &Patch::Merge(&label))
        .await?;

    // The file wins, what it no longer has goes, and what it never had stays.
    let values = [("username", "anna"), ("password", "hunter2-Zebra")];
    let values = values.map(|(key, value)| (key.to_owned(), SecretString::from(value)));
    manifest.add_secret("account", values.into());
    manifest.collector.spec.soulseek.client_version = 176;
    let applied = apply(&cluster, &manifest).await?;
    assert_eq!(
        outcomes(&applied),
        names.map(|name| (name, Outcome::Changed))
    );
    let secret = secrets.get("account").await?;
    assert_eq!(secret.labels()["of"], "somebody");
    let data = secret.data.context("no data")?;
    let found: Vec<_> = data
        .iter()
        .map(|(key, value)| (key.as_str(), value.0.as_slice()))
        .collect();
    assert_eq!(
        found,
        [
            ("password", b"hunter2-Zebra".as_slice()),
            ("username", b"anna")
        ]
    );
    let collectors: Api<ResearchCollector> = Api::namespaced(cluster.client(), "applied");
    assert_eq!(collectors.get("study").await?.spec, manifest.collector.spec);
    Ok(())
}

#[tokio::test]
async fn what_the_cluster_refuses_is_said_in_its_own_words() -> Result<()> {
    let (kubernetes, cluster) = shared().await?;
    install(&cluster, IMAGE).await?;
    let mut manifest = manifest(&cluster, "refused").await?;

    let good = manifest.collector.spec.clone();
    manifest.collector.spec.regions[0].name = "canary".to_owned();
    manifest.collector.spec.regions[0].listen.port = 60001;
    let error = apply(&cluster, &manifest).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("the cluster refuses ResearchCollector/study: spec.regions[0]."),
        "{text}"
    );
    for rule in [
        "port and obfuscatedPort must differ: ",
        "`canary` is the client_id under which ",
    ] {
        assert!(text.contains(rule), "{text}");
    }
    manifest.collector.spec = good;

    let stranger = kubernetes
        .client_with(|config| config.auth_info.impersonate = Some("stranger".to_owned()))
        .await?;
    let stranger = Cluster::new(stranger, cluster.server());
    let error = apply(&stranger, &manifest).await.unwrap_err();
    assert!(matches!(error, ClusterError::Forbidden { .. }), "{error}");
    assert!(error.to_string().contains("\"stranger\" cannot"), "{error}");

    let expired = kubernetes
        .client_with(|config| {
            config.auth_info = AuthInfo {
                token: Some("expired".into()),
                ..AuthInfo::default()
            };
        })
        .await?;
    let error = apply(&Cluster::new(expired, "there"), &manifest)
        .await
        .unwrap_err();
    assert!(
        matches!(error, ClusterError::Unauthorized { .. }),
        "{error}"
    );

    manifest.collector.metadata.namespace = Some("no-such-namespace".to_owned());
    let error = apply(&cluster, &manifest).await.unwrap_err();
    assert!(matches!(error, ClusterError::NoPlace { .. }), "{error}");
    assert!(
        error.hint().unwrap().contains("create namespace"),
        "{error}"
    );
    assert!(!format!("{error:?}").contains("Zebra"), "{error:?}");
    Ok(())
}

/// Without our resource, without a server, and with a server that is another's.
#[tokio::test]
async fn a_cluster_that_is_not_ours_is_recognised() -> Result<()> {
    let mut kubernetes = Kubernetes::start().await?;
    let cluster = connect(&kubernetes).await?;
    let manifest = Manifest::parse(SPEC, "study.yaml")?;
    let error = apply(&cluster, &manifest).await.unwrap_err();
    assert!(matches!(error, ClusterError::NoPlace { .. }), "{error}");
    assert!(error.hint().unwrap().contains("CRD"), "{:?}", error.hint());
    let nothing = remove(&cluster, None, "study", PATIENCE).await?;
    assert!(
        !nothing.was_there && nothing.stays.is_empty(),
        "{nothing:?}"
    );

    let (other, _) = shared().await?;
    let file = kubernetes.kubeconfig_file().with_file_name("mixed");
    let address = |of: &Kubernetes| of.address().to_string();
    fs::write(
        &file,
        kubernetes
            .kubeconfig()
            .replace(&address(&kubernetes), &address(&other)),
    )?;
    let mixed = Cluster::connect(Some(&file), None).await?;
    let error = install(&mixed, IMAGE).await.unwrap_err();
    assert!(matches!(error, ClusterError::Untrusted { .. }), "{error:?}");

    kubernetes.kill_api_server().await?;
    let error = install(&cluster, IMAGE).await.unwrap_err();
    assert!(
        matches!(error, ClusterError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("refused"), "{error}");

    let error = Cluster::connect(Some(&file), Some("elsewhere"))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("no context `elsewhere`"),
        "{error}"
    );
    fs::write(&file, "users: [c2VjcmV0")?;
    let error = Cluster::connect(Some(&file), None).await.unwrap_err();
    assert!(
        !format!("{error} {error:?}").contains("c2VjcmV0"),
        "{error:?}"
    );
    Ok(())
}
