//! What pods are made of.

use std::collections::BTreeMap;

use fleet_api::names::{FLEET_LABEL, REGION, ROLE_LABEL};
use fleet_api::{Amounts, Resources};
use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, Container, ContainerPort, EmptyDirVolumeSource, HTTPGetAction,
    KeyToPath, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
    PersistentVolumeClaimVolumeSource, PodSecurityContext, PodSpec, PodTemplateSpec,
    PreferredSchedulingTerm, Probe, ResourceRequirements, SeccompProfile, SecretVolumeSource,
    SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::service_account;
use crate::fleet::names::{Component, READS, owned};
use crate::fleet::valid::Fleet;

/// The user of our image.
pub(super) const OUR_USER: i64 = 65532;
/// Where Secrets are, `<secret>/<key>`.
pub(super) const SECRETS_DIR: &str = "/etc/fleet/secrets";
/// The port of metrics and health.
pub(in crate::fleet) const METRICS_PORT: i32 = 9090;
/// Its name.
pub(super) const METRICS: &str = "metrics";

/// A pod of the fleet with what every pod has. `reads` is a digest of what it reads when it starts.
pub(super) fn template(
    fleet: &Fleet,
    component: Component,
    region: Option<&str>,
    reads: Option<&str>,
    spec: PodSpec,
) -> PodTemplateSpec {
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(component.labels(&fleet.name, region)),
            annotations: reads.map(|reads| owned([(READS, reads)])),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(service_account::name(fleet)),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            ..spec
        }),
    }
}

/// No root, and nothing that the kernel does not have to allow.
pub(super) fn security(user: i64) -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(user),
        run_as_group: Some(user),
        fs_group: Some(user),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..PodSecurityContext::default()
    }
}

/// A container that may do nothing but its work.
pub(super) fn container(name: &str, image: &str, resources: &Resources) -> Container {
    Container {
        name: name.to_owned(),
        image: Some(image.to_owned()),
        resources: (!resources.is_empty()).then(|| requirements(resources)),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: None,
            }),
            ..SecurityContext::default()
        }),
        ..Container::default()
    }
}

/// A command line.
pub(super) fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).into()
}

fn requirements(resources: &Resources) -> ResourceRequirements {
    let Resources { requests, limits } = resources;
    ResourceRequirements {
        requests: amounts(requests),
        limits: amounts(limits),
        claims: None,
    }
}

fn amounts(amounts: &Amounts) -> Option<BTreeMap<String, Quantity>> {
    let Amounts { cpu, memory } = amounts;
    let pairs = [("cpu", cpu), ("memory", memory)];
    let pairs = pairs
        .into_iter()
        .filter_map(|(name, amount)| Some((name.to_owned(), Quantity(amount.clone()?))));
    let amounts: BTreeMap<_, _> = pairs.collect();
    (!amounts.is_empty()).then_some(amounts)
}

/// A port of a container.
pub(super) fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        ..ContainerPort::default()
    }
}

/// A question to the admin server.
pub(super) fn http(path: &str, period: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(METRICS.to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}

/// A volume of the cluster.
pub(super) fn claimed(name: &str, claim: String) -> Volume {
    Volume {
        name: name.to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim,
            read_only: None,
        }),
        ..Volume::default()
    }
}

/// A directory that is empty at first.
pub(super) fn scratch(name: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    }
}

/// A Secret, or some keys of it, readable for the pod's group only.
pub(super) fn secret(name: &str, secret: &str, keys: &[&str]) -> Volume {
    let items = keys.iter().map(|key| KeyToPath {
        key: (*key).to_owned(),
        path: (*key).to_owned(),
        mode: None,
    });
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            default_mode: Some(0o440),
            items: (!keys.is_empty()).then(|| items.collect()),
            optional: None,
        }),
        ..Volume::default()
    }
}

/// Where a volume is seen.
pub(super) fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    }
}

/// The same, only to read.
pub(super) fn reading(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        read_only: Some(true),
        ..mount(name, path)
    }
}

/// Secrets as `fleetd` reads them: volumes and where they are seen.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    pub(super) volumes: Vec<Volume>,
    pub(super) mounts: Vec<VolumeMount>,
    /// Which versions are read.
    pub(super) versions: Vec<String>,
}

impl Secrets {
    /// Adds one, with all its keys where none is named. One that is there already is not added again.
    pub(super) fn add(&mut self, fleet: &Fleet, name: &str, keys: &[&str]) {
        let path = format!("{SECRETS_DIR}/{name}");
        if self.mounts.iter().any(|mount| mount.mount_path == path) {
            return;
        }
        let volume = format!("secret-{}", self.volumes.len());
        self.mounts.push(reading(&volume, &path));
        self.volumes.push(secret(&volume, name, keys));
        self.versions
            .push(format!("{name}={}", fleet.version(name)));
    }
}

/// Away from the servers of regions, which have little memory and come and go; on the control plane's server where there
/// is one.
pub(super) fn central(fleet: &Fleet) -> Affinity {
    let requirement = |key: &str, operator: &str, values: &[&str]| NodeSelectorRequirement {
        key: key.to_owned(),
        operator: operator.to_owned(),
        values: (!values.is_empty()).then(|| values.iter().map(|v| (*v).to_owned()).collect()),
    };
    let term = |expressions| NodeSelectorTerm {
        match_expressions: Some(expressions),
        match_fields: None,
    };
    Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(NodeSelector {
                node_selector_terms: vec![term(vec![requirement(ROLE_LABEL, "NotIn", &[REGION])])],
            }),
            preferred_during_scheduling_ignored_during_execution: Some(vec![
                PreferredSchedulingTerm {
                    weight: 1,
                    preference: term(vec![requirement(FLEET_LABEL, "In", &[&fleet.name])]),
                },
            ]),
        }),
        ..Affinity::default()
    }
}
