//! A project as a plan sees it, made from a spec and from a catalogue of a day in 2026.

use std::collections::BTreeMap;

use fleet_api::Manifest;
use fleet_hetzner::{Architecture, Server};
use fleet_operator::servers::{Catalogue, Found, Plan, Setup, Situation, Wanted, plan};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A control plane that also runs `germany`, and two regions with servers of their own.
pub(crate) const SPEC: &str = "
apiVersion: researchfleet.io/v1alpha1
kind: ResearchCollector
metadata: {name: study}
spec:
  network: soulseek
  infrastructure: {hetzner: {sshKeys: []}}
  regions: [{name: germany, credentialsSecretRef: {name: a}}, {name: us-east, location: ash, credentialsSecretRef: {name: b}}, {name: singapore, location: sin, credentialsSecretRef: {name: c}}]
";

pub(crate) fn with_regions(regions: &str) -> String {
    let (head, _) = SPEC.split_once("  regions:").unwrap();
    format!("{head}  regions: [{regions}]\n")
}

pub(crate) fn wanted(spec: &str) -> Wanted {
    let manifest = Manifest::parse(spec, "test").unwrap();
    Wanted::of(&manifest.collector).unwrap().unwrap()
}

/// Each change in a line: what happens, to what, where, of which type, at what price.
pub(crate) fn changes(plan: &Plan) -> Vec<String> {
    let line = |change: &fleet_operator::servers::Change| {
        let item = &change.item;
        let kind = match item.kind {
            fleet_operator::servers::Kind::SshKey => "ssh-key".to_owned(),
            fleet_operator::servers::Kind::PrimaryIp => "primary-ip".to_owned(),
            fleet_operator::servers::Kind::PlacementGroup => "placement-group".to_owned(),
            other => format!("{other:?}").to_lowercase(),
        };
        let verb = format!("{:?}", change.verb).to_lowercase();
        let price = item
            .monthly
            .filter(|_| kind != "primary-ip")
            .map(|price| price.to_string());
        let words = [
            Some(verb),
            Some(kind),
            Some(item.name.clone()),
            item.location.clone(),
            item.server_type.clone(),
            price,
        ];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    plan.changes.iter().map(line).collect()
}

/// What is in a project.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    pub(crate) found: Found,
    pub(crate) catalogue: Option<Catalogue>,
    pub(crate) rebuild_control_plane: bool,
}

impl Project {
    pub(crate) fn empty() -> Self {
        Self {
            found: Found {
                servers: Vec::new(),
                ssh_keys: Vec::new(),
                firewalls: Vec::new(),
                networks: Vec::new(),
                volumes: Vec::new(),
                primary_ips: Vec::new(),
                placement_groups: Vec::new(),
                pricing: pricing(),
            },
            catalogue: Some(catalogue()),
            rebuild_control_plane: false,
        }
    }

    /// As it is after a plan for this spec was carried out.
    pub(crate) fn deployed(spec: &str) -> Self {
        let mut project = Self::empty();
        let wanted = wanted(spec);
        let plan = project.plan(spec);
        for (index, server) in wanted.servers.iter().enumerate() {
            let item = plan.changes.iter().find(|change| {
                change.item.name == server.name && change.item.server_type.is_some()
            });
            let item = &item.unwrap().item;
            let location = item.location.clone().unwrap();
            project.found.servers.push(from(json!({
                "id": 100 + index, "name": server.name, "status": "running",
                "public_net": {"ipv4": {"id": 500 + index, "ip": format!("127.80.0.{}", index + 1)}},
                "server_type": server_type(&item.server_type.clone().unwrap()),
                "location": location_json(&location),
                "image": {"id": 1, "name": "debian-12", "architecture": "x86"}, "primary_disk_size": 40,
                "labels": server.labels(&wanted.fleet),
            })));
        }
        let address = json!({
            "id": 500, "name": "study-control-plane", "type": "ipv4", "ip": "127.80.0.1", "auto_delete": false,
            "location": location_json("nbg1"), "labels": ours(), "assignee_id": 100, "assignee_type": "server",
        });
        project.found.primary_ips.push(from(address));
        let addresses = project
            .found
            .servers
            .iter()
            .filter_map(Server::ipv4)
            .collect();
        for (index, firewall) in fleet_operator::servers::firewalls(&wanted, &addresses)
            .into_iter()
            .enumerate()
        {
            project.found.firewalls.push(from(json!({
                "id": 10 + index, "name": firewall.name, "rules": firewall.rules, "labels": ours(),
                "applied_to": [{"type": "label_selector", "label_selector": {"selector": firewall.selector.to_string()}}],
            })));
        }
        let digests = Setup::Hosts.digests(&wanted, &project.found).unwrap();
        for server in &mut project.found.servers {
            let digest = digests[&server.name].clone();
            server
                .labels
                .insert("researchfleet.io/user-data".to_owned(), digest);
        }
        project
    }

    pub(crate) fn plan(&self, spec: &str) -> Plan {
        self.plan_for(&wanted(spec))
    }

    pub(crate) fn plan_for(&self, wanted: &Wanted) -> Plan {
        let digests = Setup::Hosts.digests(wanted, &self.found).unwrap();
        plan(Situation {
            wanted,
            found: &self.found,
            digests: &digests,
            catalogue: self.catalogue.as_ref(),
            rebuild_control_plane: self.rebuild_control_plane,
            now: "2026-11-26T00:00:00Z".parse::<Timestamp>().unwrap(),
        })
        .unwrap()
    }

    pub(crate) fn server(&mut self, name: &str) -> &mut Server {
        self.found
            .servers
            .iter_mut()
            .find(|server| server.name == name)
            .unwrap()
    }

    pub(crate) fn add_volume(&mut self, size: i64) {
        self.found.volumes.push(from(json!({
            "id": 900, "name": "study-control-plane", "size": size, "location": location_json("nbg1"), "server": 100,
            "linux_device": "/dev/disk/by-id/scsi-0HC_Volume_900", "labels": ours(), "status": "available",
        })));
    }

    pub(crate) fn add_key(&mut self, name: &str, public_key: &str, is_ours: bool) {
        let labels = if is_ours { ours() } else { json!({}) };
        let id = 700 + self.found.ssh_keys.len();
        self.found.ssh_keys.push(from(
            json!({"id": id, "name": name, "public_key": public_key, "labels": labels}),
        ));
    }
}

fn ours() -> Value {
    json!({"researchfleet.io/fleet": "study"})
}

/// Everything in a project has a moment of its making.
fn from<T: DeserializeOwned>(mut value: Value) -> T {
    if let Some(fields) = value.as_object_mut() {
        fields
            .entry("created")
            .or_insert(json!("2026-11-01T00:00:00Z"));
    }
    serde_json::from_value(value).unwrap()
}

fn location_json(name: &str) -> Value {
    let zones = BTreeMap::from([
        ("ash", "us-east"),
        ("sin", "ap-southeast"),
        ("hil", "us-west"),
    ]);
    json!({"id": 1, "name": name, "network_zone": zones.get(name).unwrap_or(&"eu-central")})
}

/// Name, cores, memory, disk; then location, price a month, and what can be had.
type Kind = (
    &'static str,
    i64,
    f64,
    f64,
    &'static [(&'static str, &'static str, Stock)],
);

#[derive(Clone, Copy, PartialEq)]
enum Stock {
    Yes,
    Out,
    Gone,
}

const KINDS: [Kind; 7] = {
    use Stock::{Gone, Out, Yes};
    [
        (
            "cx33",
            4,
            8.0,
            80.0,
            &[
                ("nbg1", "8.49", Out),
                ("fsn1", "8.49", Out),
                ("hel1", "8.49", Out),
            ],
        ),
        (
            "cpx11",
            2,
            2.0,
            40.0,
            &[("ash", "17.49", Yes), ("sin", "9.99", Gone)],
        ),
        (
            "cpx12",
            1,
            2.0,
            40.0,
            &[("nbg1", "11.49", Yes), ("sin", "15.49", Yes)],
        ),
        ("cpx21", 3, 4.0, 80.0, &[("ash", "31.99", Yes)]),
        (
            "cpx22",
            2,
            4.0,
            80.0,
            &[("nbg1", "19.49", Yes), ("sin", "26.49", Yes)],
        ),
        (
            "cpx32",
            4,
            8.0,
            160.0,
            &[
                ("nbg1", "35.49", Yes),
                ("fsn1", "35.49", Yes),
                ("hel1", "35.49", Yes),
            ],
        ),
        (
            "ccx13",
            2,
            8.0,
            80.0,
            &[
                ("nbg1", "42.99", Yes),
                ("ash", "43.49", Yes),
                ("sin", "53.99", Yes),
            ],
        ),
    ]
};

fn server_type(name: &str) -> Value {
    let index = KINDS.iter().position(|kind| kind.0 == name).unwrap();
    let (name, cores, memory, disk, places) = KINDS[index];
    let price = |price: &str| json!({"net": price, "gross": price});
    let prices: Vec<_> = places
        .iter()
        .map(|(location, monthly, _)| json!({"location": location, "price_monthly": price(monthly), "price_hourly": price("0.01")}))
        .collect();
    let stock: Vec<_> = places
        .iter()
        .map(|(location, _, stock)| {
            let gone = json!({"announced": "2025-10-16T00:00:00Z", "unavailable_after": "2025-12-31T00:00:00Z"});
            let deprecation = if *stock == Stock::Gone { gone } else { Value::Null };
            json!({"id": 1, "name": location, "available": *stock == Stock::Yes, "recommended": true, "deprecation": deprecation})
        })
        .collect();
    json!({
        "id": 20 + index, "name": name, "cores": cores, "memory": memory, "disk": disk, "architecture": "x86",
        "prices": prices, "locations": stock,
    })
}

fn catalogue() -> Catalogue {
    Catalogue {
        server_types: KINDS.iter().map(|kind| from(server_type(kind.0))).collect(),
        locations: ["nbg1", "fsn1", "hel1", "ash", "sin"]
            .map(|name| from(location_json(name)))
            .into(),
        images: vec![(from::<Architecture>(json!("x86")), 1)],
    }
}

fn pricing() -> fleet_hetzner::Pricing {
    let price = |monthly: &str| json!({"net": monthly, "gross": monthly});
    let locations = ["nbg1", "fsn1", "hel1", "ash", "sin"];
    let addresses: Vec<_> = locations
        .iter()
        .map(|location| json!({"location": location, "price_monthly": price("0.50"), "price_hourly": price("0.0008")}))
        .collect();
    from(json!({
        "currency": "EUR", "vat_rate": "19.00",
        "primary_ips": [{"type": "ipv4", "prices": addresses}],
        "volume": {"price_per_gb_month": price("0.0572")},
    }))
}
