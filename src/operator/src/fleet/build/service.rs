//! How parts find each other.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata::metadata;
use super::pod::{METRICS, METRICS_PORT};
use crate::fleet::names::{Component, child};
use crate::fleet::valid::Fleet;

/// Where `PostgreSQL` listens.
pub(super) const DATABASE_PORT: i32 = 5432;
/// Where `PgBouncer` listens.
pub(super) const POOLER_PORT: i32 = 6432;

/// Names of the collectors' pods, and their metrics.
pub(super) fn collectors(fleet: &Fleet) -> Service {
    let mut service = service(
        fleet,
        "collectors",
        Component::Collector,
        METRICS,
        METRICS_PORT,
    );
    headless(&mut service);
    service
}

/// The database for clients, and the name of its pod.
pub(super) fn database(fleet: &Fleet) -> [Service; 2] {
    let (component, port) = (Component::Database, DATABASE_PORT);
    let mut pods = service(fleet, "database-pods", component, "postgres", port);
    headless(&mut pods);
    [
        service(fleet, "database", component, "postgres", port),
        pods,
    ]
}

/// The pooler.
pub(super) fn pooler(fleet: &Fleet) -> Service {
    service(fleet, "pooler", Component::Pooler, "postgres", POOLER_PORT)
}

fn service(fleet: &Fleet, what: &str, component: Component, port: &str, number: i32) -> Service {
    Service {
        metadata: metadata(fleet, child(&fleet.name, what), component, None),
        spec: Some(ServiceSpec {
            selector: Some(component.selector(&fleet.name, None)),
            ports: Some(vec![ServicePort {
                name: Some(port.to_owned()),
                port: number,
                target_port: Some(IntOrString::String(port.to_owned())),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// Names pods also while they are not ready.
fn headless(service: &mut Service) {
    if let Some(spec) = &mut service.spec {
        spec.cluster_ip = Some("None".to_owned());
        spec.publish_not_ready_addresses = Some(true);
    }
}
