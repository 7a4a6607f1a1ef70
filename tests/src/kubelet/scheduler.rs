//! Where a pod goes, and why it goes nowhere.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::core::v1::{Node, Pod, PodAffinityTerm, Taint};
use kube::{
    ResourceExt as _, api::PostParams, core::Status, runtime::controller::Action,
    runtime::reflector::ObjectRef,
};
use serde_json::json;

use super::{
    nodes, pods,
    selectors::{self, Labels},
    status,
    world::{Told, World},
};

/// How often is looked at a pod that has no place: another pod may have gone.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

type ByNode = HashMap<String, Vec<Arc<Pod>>>;

/// Binds a pod to the node that has the fewest, or says why there is none for it.
pub(super) async fn place(world: &World, pod: &Pod) -> Result<Action, kube::Error> {
    let gates = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.scheduling_gates.as_ref());
    if gates.is_some_and(|gates| !gates.is_empty()) {
        return Ok(Action::await_change());
    }
    match choose(world, pod) {
        Ok(node) => {
            let bound = bind(world, pod, &node).await;
            if bound.is_err() {
                world.told().placed.remove(&pod.uid().unwrap_or_default());
            }
            bound?;
            Ok(Action::await_change())
        }
        Err(why) => {
            refuse(world, pod, &why).await?;
            Ok(Action::requeue(LOOK_AGAIN))
        }
    }
}

async fn bind(world: &World, pod: &Pod, node: &str) -> Result<(), kube::Error> {
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pod.name_any(), "namespace": pod.namespace(), "uid": pod.uid()},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    });
    let params = PostParams::default();
    let api = pods::api(world, pod);
    let name = pod.name_any();
    let bound: Result<Status, _> = api
        .create_subresource("binding", &name, &params, &binding)
        .await;
    pods::gone_is_fine(bound)
}

async fn refuse(world: &World, pod: &Pod, why: &str) -> Result<(), kube::Error> {
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    let said = conditions.find(|condition| condition.type_ == "PodScheduled");
    if said.is_some_and(|said| said.message.as_deref() == Some(why)) {
        return Ok(());
    }
    let mut condition = status::condition(pod, "PodScheduled", false, Some("Unschedulable"));
    condition["message"] = why.into();
    pods::set_status(world, pod, &json!({"conditions": [condition]})).await
}

/// The chosen node is taken at once, so that pods which are placed at the same time see each other.
fn choose(world: &World, pod: &Pod) -> Result<String, String> {
    claims_are_bound(world, pod)?;
    let nodes: Vec<_> = world.nodes.state();
    let ours: Vec<_> = nodes
        .iter()
        .filter(|node| world.is_ours(&node.name_any()))
        .collect();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut open = Vec::new();
    for node in &ours {
        match takes(node, pod) {
            Ok(()) => open.push(node),
            Err(reason) => *reasons.entry(reason).or_default() += 1,
        }
    }
    if !open.is_empty() {
        let mut told = world.told();
        let others = by_node(world, &told);
        let mut found: Option<(usize, String)> = None;
        for node in open {
            if let Err(reason) = has_room(node, pod, &nodes, &others) {
                *reasons.entry(reason).or_default() += 1;
                continue;
            }
            let name = node.name_any();
            let candidate = (others.get(&name).map_or(0, Vec::len), name);
            found = Some(found.map_or(candidate.clone(), |best| best.min(candidate)));
        }
        if let Some((_, node)) = found {
            told.placed
                .insert(pod.uid().unwrap_or_default(), node.clone());
            return Ok(node);
        }
    }
    let reasons: Vec<_> = reasons
        .iter()
        .map(|(reason, count)| format!("{count} node(s) {reason}"))
        .collect();
    let (count, reasons) = (ours.len(), reasons.join(", "));
    Err(format!("0/{count} nodes are available: {reasons}."))
}

/// The pods that have not ended, by their node.
fn by_node(world: &World, told: &Told) -> ByNode {
    let mut found = ByNode::new();
    for pod in world.pods.state() {
        let place = pods::node_of(&pod)
            .map(str::to_owned)
            .or_else(|| told.placed.get(&pod.uid()?).cloned());
        if let Some(place) = place
            && !pods::has_ended(&pod)
        {
            found.entry(place).or_default().push(pod);
        }
    }
    found
}

fn claims_are_bound(world: &World, pod: &Pod) -> Result<(), String> {
    let namespace = pod.namespace().unwrap_or_default();
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_ref());
    for volume in volumes.into_iter().flatten() {
        let Some(claim) = &volume.persistent_volume_claim else {
            continue;
        };
        let name = &claim.claim_name;
        let found = world.claims.get(&ObjectRef::new(name).within(&namespace));
        let found = found.ok_or_else(|| format!("persistentvolumeclaim \"{name}\" not found"))?;
        let phase = found
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        if phase != Some("Bound") {
            return Err("pod has unbound immediate PersistentVolumeClaims".to_owned());
        }
    }
    Ok(())
}

/// Whether a node takes the pod, whoever else is there; else why not, in the words of the real scheduler.
fn takes(node: &Node, pod: &Pod) -> Result<(), String> {
    let spec = node.spec.as_ref();
    if !nodes::is_ready(node) {
        return Err("were not ready".to_owned());
    }
    if spec.is_some_and(|spec| spec.unschedulable == Some(true)) {
        return Err("were unschedulable".to_owned());
    }
    let taints = spec.and_then(|spec| spec.taints.as_ref());
    for taint in taints.into_iter().flatten() {
        if !tolerates(pod, taint) {
            return Err(format!("had untolerated taint {{{}}}", taint.key));
        }
    }
    if !selectors::pod_wants_node(pod, node.labels(), &node.name_any()) {
        return Err("didn't match Pod's node affinity/selector".to_owned());
    }
    Ok(())
}

/// Whether the other pods leave room for it.
fn has_room(node: &Node, pod: &Pod, nodes: &[Arc<Node>], others: &ByNode) -> Result<(), String> {
    let here = others.get(&node.name_any());
    let here = here.map(Vec::as_slice).unwrap_or_default();
    let wanted = host_ports(pod);
    if here
        .iter()
        .any(|other| host_ports(other).iter().any(|port| wanted.contains(port)))
    {
        return Err("didn't have free ports for the requested pod ports".to_owned());
    }
    let repelled = others.iter().any(|(place, others)| {
        let place = nodes.iter().find(|known| known.name_any() == *place);
        place.is_some_and(|place| {
            others
                .iter()
                .any(|other| repels(pod, node, other, place) || repels(other, place, pod, node))
        })
    });
    if repelled {
        return Err("didn't match pod anti-affinity rules".to_owned());
    }
    Ok(())
}

fn tolerates(pod: &Pod, taint: &Taint) -> bool {
    if taint.effect == "PreferNoSchedule" {
        return true;
    }
    let tolerations = pod.spec.as_ref().and_then(|spec| spec.tolerations.as_ref());
    tolerations.into_iter().flatten().any(|toleration| {
        let any = toleration.operator.as_deref() == Some("Exists");
        let effect = toleration.effect.as_ref();
        let key = toleration.key.as_ref().filter(|key| !key.is_empty());
        effect.is_none_or(|effect| effect.is_empty() || *effect == taint.effect)
            && key.map_or(any, |key| *key == taint.key)
            && (any
                || toleration.value.as_deref().unwrap_or_default()
                    == taint.value.as_deref().unwrap_or_default())
    })
}

fn host_ports(pod: &Pod) -> Vec<(i32, &str)> {
    let containers = pod.spec.iter().flat_map(|spec| {
        let inits = spec.init_containers.iter().flatten();
        spec.containers.iter().chain(inits)
    });
    let ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports
        .filter_map(|port| Some((port.host_port?, port.protocol.as_deref().unwrap_or("TCP"))))
        .collect()
}

/// Whether one pod on its node does not want the other on that node.
fn repels(pod: &Pod, node: &Node, other: &Pod, place: &Node) -> bool {
    let affinity = pod.spec.as_ref().and_then(|spec| spec.affinity.as_ref());
    let anti = affinity.and_then(|affinity| affinity.pod_anti_affinity.as_ref());
    let terms = anti.and_then(|anti| {
        anti.required_during_scheduling_ignored_during_execution
            .as_ref()
    });
    terms.into_iter().flatten().any(|term| {
        let topology = |node: &Node| node.labels().get(&term.topology_key).cloned();
        let same_place = topology(node).is_some() && topology(node) == topology(place);
        same_place && is_about(term, pod, other.labels(), other.namespace())
    })
}

fn is_about(term: &PodAffinityTerm, pod: &Pod, labels: &Labels, namespace: Option<String>) -> bool {
    let namespaces = term.namespaces.as_deref().unwrap_or_default();
    let in_scope = if namespaces.is_empty() {
        namespace == pod.namespace()
    } else {
        namespace.is_some_and(|namespace| namespaces.contains(&namespace))
    };
    let selector = term.label_selector.as_ref();
    in_scope && selector.is_some_and(|selector| selectors::selector_meets(selector, labels))
}
