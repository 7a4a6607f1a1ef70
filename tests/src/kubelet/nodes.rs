//! Nodes: their objects, and the heartbeats that keep the control plane from giving them up.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Result;
use jiff::Timestamp;
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Node};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::{pods::gone_is_fine, selectors::Labels, world::World};

/// As often as a kubelet; without it for 50 seconds, the control plane calls a node unknown.
const HEARTBEAT: Duration = Duration::from_secs(10);
const LEASE_SECONDS: u32 = 40;
const LEASES: &str = "kube-node-lease";
const MANAGER: &str = "played-kubelet";

/// How it is with a kubelet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heart {
    Ready,
    /// It says that it is not.
    NotReady,
    /// It says nothing, and is taken for lost.
    Silent,
}

impl Heart {
    fn condition(self) -> Value {
        let (status, reason, message) = match self {
            Self::Ready => ("True", "KubeletReady", "kubelet is posting ready status"),
            Self::NotReady => ("False", "KubeletNotReady", "the test wants it so"),
            Self::Silent => (
                "Unknown",
                "NodeStatusUnknown",
                "Kubelet stopped posting node status.",
            ),
        };
        let now = Timestamp::now();
        json!({
            "type": "Ready",
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        })
    }

    fn status(self) -> &'static str {
        match self {
            Self::Ready => "True",
            Self::NotReady => "False",
            Self::Silent => "Unknown",
        }
    }
}

/// A node as its kubelet registers it.
#[derive(Debug, Clone)]
pub(super) struct NewNode {
    pub(super) name: String,
    pub(super) labels: Labels,
    /// By their type.
    pub(super) addresses: BTreeMap<&'static str, String>,
    pub(super) provider_id: Option<String>,
}

/// Makes the object, or takes over the one that is there, and lets the kubelet live.
pub(super) async fn register(world: &World, node: &NewNode) -> Result<()> {
    let name = &node.name;
    // First, so that a pod may go there as soon as the object is seen.
    world.told().hearts.insert(name.clone(), Heart::Ready);
    beat(world, name).await?;
    let mut labels = Labels::from([
        ("kubernetes.io/hostname".to_owned(), name.clone()),
        ("kubernetes.io/os".to_owned(), "linux".to_owned()),
        ("kubernetes.io/arch".to_owned(), "amd64".to_owned()),
    ]);
    labels.extend(node.labels.clone());
    let object: Node = serde_json::from_value(json!({
        "metadata": {"name": name, "labels": labels},
        "spec": {"providerID": node.provider_id},
        "status": status(node),
    }))?;
    let nodes: Api<Node> = Api::all(world.client.clone());
    match nodes.create(&PostParams::default(), &object).await {
        // It was there: whoever made it knew it by the same name.
        Err(kube::Error::Api(refusal)) if refusal.code == 409 => {
            let params = PatchParams::default();
            let patch = json!({"metadata": {"labels": labels}});
            nodes.patch(name, &params, &Patch::Merge(patch)).await?;
            let patch = json!({"status": status(node)});
            nodes
                .patch_status(name, &params, &Patch::Strategic(patch))
                .await?;
        }
        other => drop(other?),
    }
    Ok(())
}

fn status(node: &NewNode) -> Value {
    let mut addresses: Vec<_> = node
        .addresses
        .iter()
        .map(|(kind, address)| json!({"type": kind, "address": address}))
        .collect();
    addresses.push(json!({"type": "Hostname", "address": node.name}));
    let resources =
        json!({"cpu": "4", "memory": "16Gi", "pods": "110", "ephemeral-storage": "100Gi"});
    json!({
        "conditions": [Heart::Ready.condition()],
        "addresses": addresses,
        "capacity": resources,
        "allocatable": resources,
    })
}

/// Changes how a kubelet is. A node that has no object only keeps it in mind.
pub(super) async fn set_heart(world: &World, name: &str, heart: Heart) -> Result<()> {
    world.told().hearts.insert(name.to_owned(), heart);
    report(world, name, heart).await?;
    Ok(())
}

async fn report(world: &World, name: &str, heart: Heart) -> Result<(), kube::Error> {
    let nodes: Api<Node> = Api::all(world.client.clone());
    let patch = Patch::Strategic(json!({"status": {"conditions": [heart.condition()]}}));
    let params = PatchParams::default();
    gone_is_fine(nodes.patch_status(name, &params, &patch).await)
}

pub(super) async fn remove(world: &World, name: &str) -> Result<()> {
    world.told().hearts.remove(name);
    let params = DeleteParams::default();
    let nodes: Api<Node> = Api::all(world.client.clone());
    gone_is_fine(nodes.delete(name, &params).await)?;
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), LEASES);
    gone_is_fine(leases.delete(name, &params).await)?;
    Ok(())
}

/// Renews the leases of the living, and tells again what somebody else has changed.
pub(super) async fn keep_alive(world: Arc<World>) {
    let mut ticks = interval(HEARTBEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let hearts = world.told().hearts.clone();
        for (name, heart) in hearts {
            let Some(node) = world.node(&name) else {
                continue;
            };
            if heart == Heart::Silent {
                continue;
            }
            // The next beat comes soon.
            let _ = beat(&world, &name).await;
            if ready_status(&node) != Some(heart.status()) {
                let _ = report(&world, &name, heart).await;
            }
        }
    }
}

async fn beat(world: &World, name: &str) -> Result<(), kube::Error> {
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), LEASES);
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name},
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": LEASE_SECONDS,
            // The API wants microseconds, all six digits of them.
            "renewTime": format!("{:.6}", Timestamp::now()),
        },
    });
    let params = PatchParams::apply(MANAGER).force();
    leases.patch(name, &params, &Patch::Apply(lease)).await?;
    Ok(())
}

fn ready_status(node: &Node) -> Option<&str> {
    let mut conditions = node.status.as_ref()?.conditions.iter().flatten();
    let ready = conditions.find(|condition| condition.type_ == "Ready")?;
    Some(&ready.status)
}

pub(super) fn is_ready(node: &Node) -> bool {
    ready_status(node) == Some("True")
}

pub(super) fn internal_ip(node: &Node) -> Option<&str> {
    let mut addresses = node.status.as_ref()?.addresses.iter().flatten();
    let internal = addresses.find(|address| address.type_ == "InternalIP")?;
    Some(&internal.address)
}

/// Whether there is an object of this name.
pub(super) fn exists(world: &World, name: &str) -> bool {
    world
        .nodes
        .state()
        .iter()
        .any(|node| node.name_any() == name)
}
