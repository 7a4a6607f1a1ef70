//! The pooler: `PgBouncer` in transaction mode, so that a thousand clients need few connections.

use fleet_api::{Amounts, ManagedDatabase, Resources};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::api::core::v1::{Container, PodSpec, Probe, Secret, TCPSocketAction};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::database::placed;
use super::metadata::metadata;
use super::pod::{self, container, mount, port, reading, scratch, secret, security, words};
use super::secret::{self as credentials, POOLER_SETTINGS};
use super::service::POOLER_PORT;
use crate::fleet::names::{Component, child, digest};
use crate::fleet::valid::Fleet;

/// Any user will do: all that it reads is readable for its group.
const USER: i64 = 65532;
pub(super) const SETTINGS_DIR: &str = "/etc/fleet/pooler";
pub(super) const TLS_DIR: &str = "/etc/fleet/tls";

pub(super) fn pooler(fleet: &Fleet, managed: &ManagedDatabase, settings: &Secret) -> Deployment {
    let component = Component::Pooler;
    let name = settings.metadata.name.clone().unwrap_or_default();
    let pooler = Container {
        command: Some(words(["pgbouncer"])),
        args: Some(vec![format!("{SETTINGS_DIR}/{POOLER_SETTINGS}")]),
        ports: Some(vec![port("postgres", POOLER_PORT)]),
        volume_mounts: Some(vec![
            reading("settings", SETTINGS_DIR),
            reading("tls", TLS_DIR),
            mount("tmp", "/tmp"),
        ]),
        readiness_probe: Some(listens(5, 2)),
        liveness_probe: Some(listens(10, 6)),
        ..container("pgbouncer", &managed.pooler.image, &resources())
    };
    let spec = PodSpec {
        containers: vec![pooler],
        volumes: Some(vec![
            secret("settings", &name, &[]),
            secret("tls", &credentials::tls_name(&fleet.name), &[]),
            scratch("tmp"),
        ]),
        security_context: Some(security(USER)),
        ..placed(fleet, managed)
    };
    let settings = settings.data.iter().flat_map(|data| data.values());
    let settings: Vec<_> = settings
        .map(|file| String::from_utf8_lossy(&file.0).into_owned())
        .collect();
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let reads = digest(&settings);
    Deployment {
        metadata: metadata(
            fleet,
            child(&fleet.name, component.as_str()),
            component,
            None,
        ),
        spec: Some(DeploymentSpec {
            replicas: Some(managed.pooler.replicas),
            selector: component.label_selector(&fleet.name, None),
            template: pod::template(fleet, component, None, Some(&reads), spec),
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

/// A thousand clients take some 10 MB.
fn resources() -> Resources {
    Resources {
        requests: Amounts {
            cpu: Some("20m".to_owned()),
            memory: Some("32Mi".to_owned()),
        },
        limits: Amounts {
            cpu: None,
            memory: Some("128Mi".to_owned()),
        },
    }
}

fn listens(period: i32, failures: i32) -> Probe {
    Probe {
        tcp_socket: Some(TCPSocketAction {
            port: IntOrString::String("postgres".to_owned()),
            host: None,
        }),
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}
