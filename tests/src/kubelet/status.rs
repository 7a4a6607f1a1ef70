//! The status of a pod, as a kubelet reports it.

use std::{net::IpAddr, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Node, Pod, PodStatus};
use serde_json::{Value, json};

use super::{BEAT, Play, nodes};

/// What a container that crashes has done so often.
const RESTARTS: i32 = 3;

/// What matters of a pod's status: whether it has to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) phase: &'static str,
    pub(super) ready: bool,
    pub(super) containers: Containers,
    pub(super) ip: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Containers {
    Running,
    Waiting(String),
    Ended(i32),
    /// Nobody has said anything.
    Unknown,
}

impl Look {
    /// How a pod looks that has run for this long, and after what time to look again.
    pub(super) fn wanted(play: Play, ran: Duration, ip: IpAddr) -> (Self, Option<Duration>) {
        let waiting = |reason: &str| Containers::Waiting(reason.to_owned());
        let (phase, ready, containers) = match play {
            Play::Ready => ("Running", true, Containers::Running),
            Play::NotReady => ("Running", false, Containers::Running),
            Play::CrashLoop => ("Running", false, waiting("CrashLoopBackOff")),
            Play::ImagePullBackOff => ("Pending", false, waiting("ImagePullBackOff")),
            Play::Succeed(after) if ran < after => ("Running", true, Containers::Running),
            Play::Succeed(_) => ("Succeeded", false, Containers::Ended(0)),
            Play::Fail => ("Failed", false, Containers::Ended(1)),
        };
        let until = match play {
            Play::Succeed(after) => after.checked_sub(ran).map(|rest| rest.max(BEAT / 10)),
            _ => None,
        };
        let look = Self {
            phase,
            ready,
            containers,
            ip: Some(ip.to_string()),
        };
        (look, until)
    }

    /// How it looks to those who read its status.
    pub(super) fn seen(pod: &Pod) -> Self {
        let none = PodStatus::default();
        let status = pod.status.as_ref().unwrap_or(&none);
        let phase = match status.phase.as_deref() {
            Some("Running") => "Running",
            Some("Succeeded") => "Succeeded",
            Some("Failed") => "Failed",
            _ => "Pending",
        };
        let mut conditions = status.conditions.iter().flatten();
        let ready = conditions.find(|condition| condition.type_ == "Ready");
        let first = status.container_statuses.iter().flatten().next();
        Self {
            phase,
            ready: ready.is_some_and(|ready| ready.status == "True"),
            containers: first.map_or(Containers::Unknown, Containers::seen),
            ip: status.pod_ip.clone(),
        }
    }
}

impl Containers {
    fn seen(status: &ContainerStatus) -> Self {
        let Some(state) = &status.state else {
            return Self::Unknown;
        };
        if state.running.is_some() {
            return Self::Running;
        }
        if let Some(ended) = &state.terminated {
            return Self::Ended(ended.exit_code);
        }
        let reason = state
            .waiting
            .as_ref()
            .and_then(|state| state.reason.clone());
        reason.map_or(Self::Unknown, Self::Waiting)
    }

    fn state(&self) -> Value {
        match self {
            Self::Running => json!({"running": {"startedAt": Timestamp::now()}}),
            Self::Waiting(reason) => {
                json!({"waiting": {"reason": reason, "message": format!("{reason} is played")}})
            }
            Self::Ended(code) => ended(*code),
            Self::Unknown => json!({}),
        }
    }
}

fn ended(code: i32) -> Value {
    let reason = if code == 0 { "Completed" } else { "Error" };
    let now = Timestamp::now();
    json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": now, "finishedAt": now}})
}

/// The whole status, as a patch.
pub(super) fn of(pod: &Pod, node: &Node, look: &Look) -> Value {
    let old = pod.status.as_ref();
    let start = old.and_then(|status| status.start_time.clone());
    let start = start.map_or_else(Timestamp::now, |time| time.0);
    let not_ready = (!look.ready).then_some("ContainersNotReady");
    let spec = pod.spec.as_ref();
    let containers = spec.iter().flat_map(|spec| &spec.containers);
    let inits = spec
        .iter()
        .flat_map(|spec| spec.init_containers.iter().flatten());
    let mut status = json!({
        "phase": look.phase,
        "startTime": start,
        "hostIP": nodes::internal_ip(node),
        "hostIPs": [{"ip": nodes::internal_ip(node)}],
        "podIP": look.ip,
        // Without this, another address would be added to the one that is there.
        "podIPs": [{"$patch": "replace"}, {"ip": look.ip}],
        "conditions": [
            condition(pod, "Initialized", true, None),
            condition(pod, "Ready", look.ready, not_ready),
            condition(pod, "ContainersReady", look.ready, not_ready),
            condition(pod, "PodScheduled", true, None),
        ],
        "containerStatuses": containers
            .map(|container| of_container(container, look.ready, &look.containers))
            .collect::<Vec<_>>(),
    });
    let inits: Vec<_> = inits.map(|container| of_init(container, look)).collect();
    if !inits.is_empty() {
        status["initContainerStatuses"] = inits.into();
    }
    status
}

/// A sidecar does what the containers do; every other has done its work.
fn of_init(container: &Container, look: &Look) -> Value {
    if container.restart_policy.as_deref() == Some("Always") {
        of_container(container, look.ready, &look.containers)
    } else {
        of_container(container, true, &Containers::Ended(0))
    }
}

fn of_container(container: &Container, ready: bool, containers: &Containers) -> Value {
    let crashes = *containers == Containers::Waiting("CrashLoopBackOff".to_owned());
    let image = container.image.as_deref().unwrap_or_default();
    let mut status = json!({
        "name": container.name,
        "image": image,
        "imageID": format!("played://{image}"),
        "containerID": format!("played://{}", container.name),
        "ready": ready,
        "started": *containers == Containers::Running,
        "restartCount": if crashes { RESTARTS } else { 0 },
        "state": containers.state(),
    });
    if crashes {
        status["lastState"] = ended(1);
    }
    status
}

/// A condition whose time moves only when it changes.
pub(super) fn condition(pod: &Pod, kind: &str, holds: bool, reason: Option<&str>) -> Value {
    let status = if holds { "True" } else { "False" };
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let old = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition.type_ == kind && condition.status == status);
    let since = old.and_then(|old| old.last_transition_time.clone());
    json!({
        "type": kind,
        "status": status,
        "reason": reason,
        "lastTransitionTime": since.map_or_else(Timestamp::now, |time| time.0),
    })
}
