//! Who may talk to whom. Collectors may reach the whole network that they study; nobody else reaches the database.

use fleet_api::names::FLEET_LABEL;
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata::metadata;
use super::pod::METRICS_PORT;
use super::service::{DATABASE_PORT, POOLER_PORT};
use crate::fleet::names::{Component, child, owned};
use crate::fleet::valid::Fleet;

/// From anywhere to where regions listen; from the cluster to their metrics.
pub(super) fn collectors(fleet: &Fleet) -> NetworkPolicy {
    let ports = fleet.regions().iter().flat_map(|region| {
        let ports = [region.listen.port, region.listen.obfuscated_port];
        ports.into_iter().filter(|port| *port != 0)
    });
    let mut ports: Vec<i32> = ports.collect();
    ports.sort_unstable();
    ports.dedup();
    let peers = NetworkPolicyIngressRule {
        from: None,
        ports: Some(ports.into_iter().map(tcp).collect()),
    };
    let metrics = NetworkPolicyIngressRule {
        from: Some(vec![NetworkPolicyPeer {
            namespace_selector: Some(LabelSelector::default()),
            ..NetworkPolicyPeer::default()
        }]),
        ports: Some(vec![tcp(METRICS_PORT)]),
    };
    policy(
        fleet,
        "collectors",
        Component::Collector,
        vec![peers, metrics],
    )
}

/// The fleet's pods only.
pub(super) fn database(fleet: &Fleet) -> NetworkPolicy {
    let rules = vec![from_fleet(fleet, DATABASE_PORT)];
    policy(fleet, "database", Component::Database, rules)
}

/// The fleet's pods only.
pub(super) fn pooler(fleet: &Fleet) -> NetworkPolicy {
    let rules = vec![from_fleet(fleet, POOLER_PORT)];
    policy(fleet, "pooler", Component::Pooler, rules)
}

fn from_fleet(fleet: &Fleet, port: i32) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        from: Some(vec![NetworkPolicyPeer {
            pod_selector: Some(LabelSelector {
                match_labels: Some(owned([(FLEET_LABEL, fleet.name.as_str())])),
                match_expressions: None,
            }),
            ..NetworkPolicyPeer::default()
        }]),
        ports: Some(vec![tcp(port)]),
    }
}

fn tcp(port: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(port)),
        protocol: Some("TCP".to_owned()),
        end_port: None,
    }
}

fn policy(
    fleet: &Fleet,
    what: &str,
    component: Component,
    ingress: Vec<NetworkPolicyIngressRule>,
) -> NetworkPolicy {
    NetworkPolicy {
        metadata: metadata(fleet, child(&fleet.name, what), component, None),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(component.label_selector(&fleet.name, None)),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(ingress),
            egress: None,
        }),
    }
}
