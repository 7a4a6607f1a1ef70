//! What is the fleet's and what is not.

use fleet_api::Manifest;
use fleet_hetzner::Server;
use k8s_openapi::api::core::v1::Node;
use serde_json::{Value, json};

use super::view;
use crate::servers::{Role, Wanted};

const SPEC: &str = "
apiVersion: researchfleet.io/v1alpha1
kind: ResearchCollector
metadata: {name: study}
spec:
  network: soulseek
  infrastructure: {hetzner: {controlPlane: {volumeGb: 10}}}
  regions: [{name: us, location: ash, credentialsSecretRef: {name: a}}]
";

fn spec() -> Wanted {
    let manifest = Manifest::parse(SPEC, "test").unwrap();
    Wanted::of(&manifest.collector).unwrap().unwrap()
}

fn labels(fleet: &str, role: &str) -> Value {
    json!({"researchfleet.io/fleet": fleet, "researchfleet.io/role": role, "researchfleet.io/rebuilt": "1790000000"})
}

fn server(name: &str, labels: &Value) -> Server {
    let server = json!({
        "id": 1, "name": name, "status": "running", "created": "2026-01-01T00:00:00Z", "labels": labels,
        "location": {"id": 1, "name": "ash", "network_zone": "us-east"},
        "server_type": {
            "id": 1, "name": "cpx11", "cores": 2, "memory": 2.0, "disk": 40.0, "architecture": "x86", "prices": []
        },
    });
    serde_json::from_value(server).unwrap()
}

fn node(name: &str, labels: &Value) -> Node {
    serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}})).unwrap()
}

#[test]
fn only_servers_for_regions_may_be_touched() {
    let found = [
        server("study-control-plane", &labels("study", "control-plane")),
        // Whatever its labels say.
        server("study-control-plane", &labels("study", "region")),
        server("study-second", &labels("study", "control-plane")),
        server("study-us", &labels("study", "region")),
        server("study-old", &labels("study", "region")),
        server("study-by-hand", &json!({"researchfleet.io/fleet": "study"})),
    ];
    let ours = view::servers(&spec(), &found);
    assert_eq!(ours.keys().collect::<Vec<_>>(), ["study-old", "study-us"]);
    let rebuilt = view::server(ours["study-us"]).made;
    assert_eq!(rebuilt.as_second(), 1_790_000_000);
}

#[test]
fn from_within_the_control_plane_is_there_or_not_wanted() {
    let names = |found: &[Server]| {
        let wanted = view::from_within(spec(), found);
        assert_eq!(wanted.volume_gb, None);
        let names = wanted.servers.into_iter().map(|server| {
            let is_control_plane = server.role == Role::ControlPlane;
            assert!(!is_control_plane || server.server_types.is_empty());
            server.name
        });
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["study-us"]);
    let found = [
        server("study-control-plane", &labels("study", "control-plane")),
        server("study-old", &labels("study", "region")),
    ];
    let expected = ["study-control-plane", "study-us", "study-old"];
    assert_eq!(names(&found), expected);
}

#[test]
fn nodes_of_other_machines_are_nobodys_business() {
    let none = json!({});
    let nodes = [
        node("study-us", &none),
        node("study-old", &labels("study", "region")),
        node("study-other", &none),
        node("study-control-plane", &labels("study", "control-plane")),
        node("laptop", &none),
        node("other-us", &labels("other", "region")),
    ];
    let spec = spec();
    let seen = view::nodes(&spec, &view::servers(&spec, &[]), &nodes);
    assert_eq!(seen.keys().collect::<Vec<_>>(), ["study-old", "study-us"]);
    // Another fleet has a region by which its server has the same name.
    let theirs = [node("study-us", &labels("study-us", "region"))];
    assert!(view::nodes(&spec, &view::servers(&spec, &[]), &theirs).is_empty());
}
