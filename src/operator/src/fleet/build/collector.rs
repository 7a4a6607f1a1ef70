//! The collector of a region: a `StatefulSet` of one pod, with a volume for its spool.

use fleet_api::names::{FLEET_LABEL, REGION_LABEL};
use fleet_api::{Listen, Region};
use k8s_openapi::api::apps::v1::{
    RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapVolumeSource, ContainerPort, PodSpec, PodTemplateSpec, Volume,
};

use super::config_map::SPEC;
use super::metadata::metadata;
use super::pod::{
    self, METRICS, METRICS_PORT, OUR_USER, SECRETS_DIR, Secrets, claimed, container, http, mount,
    port, reading, security, words,
};
use crate::fleet::names::{self, Component, TEMPLATE, child, digest, owned};
use crate::fleet::valid::{DatabaseRole, Fleet, ONLY_NAME};

const DATA_DIR: &str = "/var/lib/fleet";
const SPEC_DIR: &str = "/etc/fleet/spec";
/// Enough to ship what is waiting, and to write what is in memory.
const GRACE_SECONDS: i64 = 60;

/// The collector of a region, as the spec wants it.
pub(super) fn stateful_set(
    fleet: &Fleet,
    index: usize,
    region: &Region,
    config: &ConfigMap,
) -> StatefulSet {
    let name = names::collector(&fleet.name, &region.name);
    let template = template(fleet, index, region, config);
    let mut metadata = metadata(fleet, name, Component::Collector, Some(&region.name));
    metadata.annotations = Some(owned([(TEMPLATE, &template_digest(&template))]));
    StatefulSet {
        metadata,
        spec: Some(StatefulSetSpec {
            replicas: Some(i32::from(!fleet.collector.spec.suspend)),
            service_name: Some(child(&fleet.name, "collectors")),
            selector: Component::Collector.label_selector(&fleet.name, Some(&region.name)),
            // Otherwise a pod that never gets ready would not be replaced by a better one.
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateStatefulSetStrategy::default()),
            }),
            template,
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}

/// Tells templates apart.
pub(crate) fn template_digest(template: &PodTemplateSpec) -> String {
    // Of Kubernetes' own types: they can be written.
    digest(&[&serde_json::to_string(template).unwrap_or_default()])
}

fn template(fleet: &Fleet, index: usize, region: &Region, config: &ConfigMap) -> PodTemplateSpec {
    let mut secrets = Secrets::default();
    secrets.add(fleet, &region.credentials_secret_ref.name, &[]);
    secrets.add(fleet, &fleet.privacy_secret().name, &[]);
    if let Some(canary) = fleet.canary() {
        let keys = if index == 0 { &[][..] } else { ONLY_NAME };
        secrets.add(fleet, &canary.credentials_secret_ref.name, keys);
    }
    if let Some(name) = fleet.database_secret(DatabaseRole::Writer) {
        secrets.add(fleet, &name, &[]);
        // What the operator writes has no version of its own.
        secrets.versions.push(format!("pooled={}", fleet.pooled()));
    }
    let spec = config.data.iter().flat_map(|data| data.values());
    let read: Vec<&str> = spec.chain(&secrets.versions).map(String::as_str).collect();
    let reads = digest(&read);

    let collector = k8s_openapi::api::core::v1::Container {
        command: Some(words(["fleetd", "collect"])),
        args: Some(
            [
                "--file",
                &format!("{SPEC_DIR}/{SPEC}"),
                "--region",
                &region.name,
                "--data-dir",
                DATA_DIR,
                "--secrets-dir",
                SECRETS_DIR,
                "--listen",
                &format!("0.0.0.0:{METRICS_PORT}"),
            ]
            .map(str::to_owned)
            .into(),
        ),
        ports: Some(ports(&region.listen)),
        volume_mounts: Some(
            [mount("spool", DATA_DIR), reading("spec", SPEC_DIR)]
                .into_iter()
                .chain(secrets.mounts)
                .collect(),
        ),
        // A spool with much in it takes a while to open.
        startup_probe: Some(http("/healthz", 2, 60)),
        liveness_probe: Some(http("/healthz", 10, 6)),
        // Ready is who records: a rollout goes on when searches flow again.
        readiness_probe: Some(http("/readyz", 5, 2)),
        ..container("collector", &fleet.image, &region.resources)
    };
    let spec = PodSpec {
        containers: vec![collector],
        volumes: Some(
            [
                claimed("spool", names::spool(&fleet.name, &region.name)),
                config_volume("spec", config),
            ]
            .into_iter()
            .chain(secrets.volumes)
            .collect(),
        ),
        security_context: Some(security(OUR_USER)),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        ..placed(fleet, region)
    };
    let component = Component::Collector;
    pod::template(fleet, component, Some(&region.name), Some(&reads), spec)
}

/// A region with a location runs on its own server; others where the spec says, and not on a region's server.
fn placed(fleet: &Fleet, region: &Region) -> PodSpec {
    if region.location.is_some() {
        return PodSpec {
            node_selector: Some(owned([
                (FLEET_LABEL, fleet.name.as_str()),
                (REGION_LABEL, &region.name),
            ])),
            ..PodSpec::default()
        };
    }
    let selector = &region.node_selector;
    PodSpec {
        node_selector: (!selector.is_empty()).then(|| selector.clone()),
        affinity: fleet
            .collector
            .spec
            .infrastructure
            .is_some()
            .then(|| pod::central(fleet)),
        ..PodSpec::default()
    }
}

/// Other users connect to the node. A port is taken once on each, which keeps regions with the same ports apart.
fn ports(listen: &Listen) -> Vec<ContainerPort> {
    let Listen {
        port: plain,
        obfuscated_port,
    } = listen;
    let open = |name: &str, number: i32| ContainerPort {
        host_port: Some(number),
        ..port(name, number)
    };
    let mut ports = vec![open("peers", *plain)];
    if *obfuscated_port != 0 {
        ports.push(open("obfuscated", *obfuscated_port));
    }
    ports.push(port(METRICS, METRICS_PORT));
    ports
}

pub(super) fn config_volume(name: &str, config: &ConfigMap) -> Volume {
    Volume {
        name: name.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: config.metadata.name.clone().unwrap_or_default(),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}
