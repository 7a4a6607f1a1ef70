//! Servers become nodes.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use fleet_api::names::FLEET_LABEL;
use fleet_operator::cluster::{
    Joining, NodeState, authority, authority_hash, create_token, delete_tokens, wait_for_nodes,
};
use k8s_openapi::api::{
    authentication::v1::SelfSubjectReview,
    core::v1::{Node, Secret},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams},
    config::AuthInfo,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::time::{sleep, timeout};

use super::{PATIENCE, shared};

#[tokio::test]
async fn a_server_joins_with_a_token_of_its_own() -> Result<()> {
    let (kubernetes, cluster) = shared().await?;
    let token = create_token(&cluster, "tokens", "tokens-ash", Joining::K3s).await?;
    let whoami = async |token: &str| {
        let token = SecretString::from(token);
        let client = kubernetes
            .client_with(|config| {
                config.auth_info = AuthInfo {
                    token: Some(token),
                    ..AuthInfo::default()
                };
            })
            .await?;
        let review = SelfSubjectReview::default();
        let answer = Api::<SelfSubjectReview>::all(client)
            .create(&PostParams::default(), &review)
            .await?;
        let user = answer.status.and_then(|status| status.user_info);
        anyhow::Ok(user.context("nobody")?)
    };
    // The API server learns of it a moment later.
    let refused = async |token: &str| {
        let wait = async {
            while whoami(token).await.is_ok() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, wait).await.context("it is still good")
    };
    let plain = token.plain();
    let user = whoami(plain.expose_secret()).await?;
    assert_eq!(
        user.username,
        Some(format!("system:bootstrap:{}", token.id()))
    );
    let group = "system:bootstrappers:k3s:default-node-token".to_owned();
    assert!(user.groups.unwrap_or_default().contains(&group));
    assert!(!format!("{token:?}").contains(plain.expose_secret().split_once('.').unwrap().1));

    let pem = authority(&cluster).await?;
    assert_eq!(pem, kubernetes.authority()?);
    let digest = hex(&Sha256::digest(&pem));
    let secure = token.secure(&pem)?;
    assert_eq!(
        secure.expose_secret(),
        format!("K10{digest}::{}", plain.expose_secret())
    );
    // As kubeadm's documentation computes it: openssl x509 -pubkey | openssl pkey -outform der | sha256sum
    let key = rcgen::KeyPair::from_pem(&kubernetes.authority_key()?)?;
    let digest = hex(&Sha256::digest(
        rcgen::PublicKeyData::subject_public_key_info(&key),
    ));
    assert_eq!(authority_hash(&pem)?, format!("sha256:{digest}"));
    assert!(
        token
            .secure(&format!("{pem}{pem}"))
            .unwrap_err()
            .to_string()
            .contains("2 certificates")
    );

    // One is used, one has expired, one is another fleet's, and one is still wanted.
    let kubeadm = create_token(&cluster, "tokens", "tokens-sin", Joining::Kubeadm).await?;
    let others = create_token(&cluster, "others", "tokens-ash", Joining::K3s).await?;
    let secrets: Api<Secret> = Api::namespaced(cluster.client(), "kube-system");
    let old = create_token(&cluster, "tokens", "tokens-hel", Joining::K3s).await?;
    let past = json!({"stringData": {"expiration": "2020-01-01T00:00:00Z"}});
    let name = |id: &str| format!("bootstrap-token-{id}");
    secrets
        .patch(
            &name(old.id()),
            &PatchParams::default(),
            &Patch::Merge(&past),
        )
        .await?;
    refused(old.plain().expose_secret()).await?;
    let deleted = delete_tokens(&cluster, "tokens", &["tokens-ash"]).await?;
    // The cluster's own cleaner may have been there first.
    assert!((1..=2).contains(&deleted), "{deleted}");
    refused(plain.expose_secret()).await?;
    whoami(kubeadm.plain().expose_secret()).await?;
    whoami(others.plain().expose_secret()).await?;
    let left = secrets
        .list(&ListParams::default().labels(&format!("{FLEET_LABEL}=tokens")))
        .await?;
    let left: Vec<_> = left.iter().map(ResourceExt::name_any).collect();
    assert_eq!(left, [name(kubeadm.id())]);
    assert_eq!(delete_tokens(&cluster, "tokens", &[]).await?, 0);
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

async fn tell(client: &Client, node: &str, ready: &str, message: &str) -> Result<()> {
    let now = jiff::Timestamp::now().to_string();
    let status = json!({"status": {"conditions": [{
        "type": "Ready", "status": ready, "message": message, "reason": "Test",
        "lastHeartbeatTime": now, "lastTransitionTime": now,
    }]}});
    let nodes: Api<Node> = Api::all(client.clone());
    nodes
        .patch_status(node, &PatchParams::default(), &Patch::Merge(&status))
        .await?;
    Ok(())
}

async fn join(client: &Client, node: &str) -> Result<()> {
    let metadata = ObjectMeta {
        name: Some(node.to_owned()),
        ..ObjectMeta::default()
    };
    let node = Node {
        metadata,
        ..Node::default()
    };
    Api::all(client.clone())
        .create(&PostParams::default(), &node)
        .await?;
    Ok(())
}

#[tokio::test]
async fn nodes_are_waited_for_until_all_are_ready() -> Result<()> {
    let (_kubernetes, cluster) = shared().await?;
    let client = cluster.client();
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let waiting = tokio::spawn({
        let cluster = cluster.clone();
        async move {
            let progress = |states: &BTreeMap<_, _>| sender.send(states.clone()).unwrap();
            wait_for_nodes(&cluster, &["n-one", "n-two"], PATIENCE, progress).await
        }
    });
    let states = seen.recv().await.unwrap();
    assert!(
        states.values().all(|state| *state == NodeState::Missing),
        "{states:?}"
    );
    join(&client, "n-one").await?;
    tell(&client, "n-one", "False", "cni plugin not initialized").await?;
    let states = loop {
        let states = seen.recv().await.unwrap();
        if matches!(&states["n-one"], NodeState::NotReady(message) if message.contains("cni")) {
            break states;
        }
    };
    assert_eq!(states["n-two"], NodeState::Missing);
    let patience = Duration::from_secs(1);
    let error = wait_for_nodes(&cluster, &["n-one", "n-two"], patience, |_| ())
        .await
        .unwrap_err();
    for wanted in [
        "n-one: cni plugin not initialized",
        "n-two: it has not joined",
    ] {
        assert!(error.to_string().contains(wanted), "{error}");
    }
    join(&client, "n-two").await?;
    tell(&client, "n-one", "True", "").await?;
    tell(&client, "n-two", "True", "").await?;
    waiting.await??;
    Ok(())
}
