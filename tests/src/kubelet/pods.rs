//! A kubelet's look at a pod: what has to be done about it now, and when to look again.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
    runtime::controller::Action,
};
use serde_json::{Value, json};

use super::{
    BEAT, nodes, scheduler,
    status::{self, Look},
    world::World,
};

/// A pod whose node is gone is deleted after this; the real controller takes up to a minute.
const ORPHANED: Duration = Duration::from_millis(200);

/// How often a pod is looked at that waits for its node.
const WAITING: Duration = Duration::from_millis(500);

pub(super) async fn look(pod: Arc<Pod>, world: Arc<World>) -> Result<Action, kube::Error> {
    let uid = pod.uid().unwrap_or_default();
    let Some(node) = node_of(&pod) else {
        if pod.metadata.deletion_timestamp.is_some() {
            return Ok(Action::await_change());
        }
        return scheduler::place(&world, &pod).await;
    };
    let Some(node) = world.node(node) else {
        return if world.since(&uid, "orphaned") < ORPHANED {
            Ok(Action::requeue(BEAT))
        } else {
            end(&world, &pod).await
        };
    };
    if !nodes::is_ready(&node) {
        lose(&world, &pod).await?;
        return Ok(Action::requeue(WAITING));
    }
    if pod.metadata.deletion_timestamp.is_some() {
        let elapsed = world.since(&uid, "deleted");
        return if elapsed < BEAT {
            Ok(Action::requeue(BEAT.saturating_sub(elapsed)))
        } else {
            end(&world, &pod).await
        };
    }
    run(&world, &pod, &node, &uid).await
}

/// The node that a pod is bound to.
pub(super) fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

/// Succeeded or failed, it stays so.
pub(super) fn has_ended(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

async fn run(world: &World, pod: &Pod, node: &Node, uid: &str) -> Result<Action, kube::Error> {
    if has_ended(pod) {
        return Ok(Action::await_change());
    }
    let elapsed = world.since(uid, "running");
    let Some(ran) = elapsed.checked_sub(BEAT) else {
        return Ok(Action::requeue(BEAT.saturating_sub(elapsed)));
    };
    let (wanted, until) = Look::wanted(world.play_of(pod), ran, world.ip_of(pod));
    if wanted != Look::seen(pod) {
        set_status(world, pod, &status::of(pod, node, &wanted)).await?;
    }
    Ok(until.map_or_else(Action::await_change, Action::requeue))
}

/// Says what the control plane says of pods on a node that it has lost, without its delay.
async fn lose(world: &World, pod: &Pod) -> Result<(), kube::Error> {
    if Look::seen(pod).ready {
        let lost = status::condition(pod, "Ready", false, Some("NodeNotReady"));
        set_status(world, pod, &json!({"conditions": [lost]})).await?;
    }
    Ok(())
}

pub(super) async fn set_status(
    world: &World,
    pod: &Pod,
    status: &Value,
) -> Result<(), kube::Error> {
    let patch = Patch::Strategic(json!({"metadata": {"uid": pod.uid()}, "status": status}));
    let params = PatchParams::default();
    let api = api(world, pod);
    gone_is_fine(api.patch_status(&pod.name_any(), &params, &patch).await)
}

async fn end(world: &World, pod: &Pod) -> Result<Action, kube::Error> {
    let mut params = DeleteParams::default().grace_period(0);
    params.preconditions = Some(Preconditions {
        uid: pod.uid(),
        resource_version: None,
    });
    gone_is_fine(api(world, pod).delete(&pod.name_any(), &params).await)?;
    Ok(Action::await_change())
}

pub(super) fn api(world: &World, pod: &Pod) -> Api<Pod> {
    let namespace = pod.namespace().unwrap_or_default();
    Api::namespaced(world.client.clone(), &namespace)
}

/// Somebody else was faster: it is not there any more, or it is another one of this name.
pub(super) fn gone_is_fine<T>(result: Result<T, kube::Error>) -> Result<(), kube::Error> {
    match result {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        other => other.map(drop),
    }
}
