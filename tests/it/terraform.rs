//! The Terraform module: the same bytes as ours.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs};

use fleet_operator::cloud_init::{Host, Role, render};
use fleet_tests::terraform::{Workspace, succeed};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::user_data::{ROLES, host, role};

/// The variables of the module `user-data` for this wish.
fn variables(host: &Host, name: &str, role: &Role) -> Value {
    let Host {
        name: server,
        tcp_ports_anywhere,
        udp_ports_anywhere,
        node_labels,
        node_taints,
        reboot_at,
    } = host;
    let mut variables = json!({
        "role": name,
        "name": server,
        "tcp_ports_anywhere": tcp_ports_anywhere,
        "udp_ports_anywhere": udp_ports_anywhere,
        "node_labels": node_labels,
        "node_taints": node_taints,
        "reboot_at": reboot_at,
    });
    let own = match role {
        Role::Host => json!({}),
        Role::K3sServer {
            data_device,
            tls_sans,
        } => json!({ "data_device": data_device, "tls_sans": tls_sans }),
        Role::K3sAgent { server, token } => {
            json!({ "server": server, "token": token.expose_secret() })
        }
        Role::KubeadmNode {
            endpoint,
            token,
            ca_hash,
            ignore_preflight_errors,
        } => json!({
            "endpoint": endpoint,
            "token": token.expose_secret(),
            "ca_hash": ca_hash,
            "ignore_preflight_errors": ignore_preflight_errors,
        }),
    };
    let own = own.as_object().unwrap().clone();
    variables.as_object_mut().unwrap().extend(own);
    variables
}

fn assert_same(workspace: &Workspace, host: &Host, name: &str, role: &Role) {
    let ours = render(host, role).unwrap();
    let (text, digest) = workspace.user_data(&variables(host, name, role)).unwrap();
    assert_eq!(text, ours.text.expose_secret(), "{name}");
    assert_eq!(digest, ours.digest, "{name}");
}

#[test]
fn is_formatted() {
    let workspace = Workspace::new().unwrap();
    let unformatted = workspace
        .run(".", &["fmt", "-check", "-recursive"])
        .unwrap();
    assert_eq!(succeed(&unformatted).unwrap(), "");
}

#[test]
fn renders_the_same_bytes_in_every_role() {
    let workspace = Workspace::new().unwrap();
    for name in ROLES {
        assert_same(&workspace, &host(), name, &role(name));
    }
    let volume = Role::K3sServer {
        data_device: Some("/dev/disk/by-id/scsi-0HC_Volume_17".into()),
        tls_sans: vec![],
    };
    let bare = Host {
        name: "a".into(),
        ..Host::default()
    };
    assert_same(&workspace, &bare, "k3s-server", &volume);
}

/// Whatever may come into the templates by another way than our checks.
#[test]
fn escapes_as_we_do() {
    let workspace = Workspace::new().unwrap();
    let versions = workspace.path("cloud-init/versions.json");
    let text = fs::read_to_string(&versions).unwrap();
    let nasty = r#"<it's> "a" & \b {{ name | tojson }} ${c} %{d}"#;
    let mut changed: Value = serde_json::from_str(&text).unwrap();
    changed["k3s"]["version"] = nasty.into();
    fs::write(&versions, changed.to_string()).unwrap();
    let agent = role("k3s-agent");
    let (rendered, _) = workspace
        .user_data(&variables(&host(), "k3s-agent", &agent))
        .unwrap();

    let ours = render(&host(), &agent).unwrap();
    let ours_version: Value =
        serde_json::from_str::<Value>(&text).unwrap()["k3s"]["version"].take();
    let escaped = r#""\u003cit\u0027s\u003e \"a\" \u0026 \\b {{ name | tojson }} ${c} %{d}""#;
    let expected = ours
        .text
        .expose_secret()
        .replace(&ours_version.to_string(), escaped);
    assert_eq!(rendered, expected);
}

#[test]
fn refuses_what_would_not_come_up() {
    let workspace = Workspace::new().unwrap();
    let mut without_token = variables(&host(), "k3s-agent", &role("k3s-agent"));
    without_token["token"] = Value::Null;
    let mut with_token = variables(&host(), "host", &role("host"));
    with_token["token"] = "abcdef.0123456789abcdef".into();
    for variables in [without_token, with_token] {
        let error = workspace.user_data(&variables).unwrap_err().to_string();
        assert!(error.contains("Those who join need a token"), "{error}");
    }
    let wrong = [
        ("name", json!("it's")),
        ("node_labels", json!({ "a": "b\n" })),
        ("node_taints", json!(["a=b"])),
        ("reboot_at", json!("24:00")),
        ("server", json!("http://a:1")),
        ("token", json!("secret")),
    ];
    for (name, value) in wrong {
        let mut variables = variables(&host(), "k3s-agent", &role("k3s-agent"));
        variables[name] = value;
        let error = workspace.user_data(&variables).unwrap_err().to_string();
        assert!(
            error.contains("Invalid value for variable"),
            "{name}: {error}"
        );
    }
}

/// What a resource is called and what it has, by its address.
fn resources(workspace: &Workspace) -> BTreeMap<String, Value> {
    let state = workspace.run(".", &["show", "-json"]).unwrap();
    let state: Value = serde_json::from_str(&succeed(&state).unwrap()).unwrap();
    let resources = state["values"]["root_module"]["resources"]
        .as_array()
        .unwrap();
    let by_address = |resource: &Value| {
        let address = resource["address"].as_str().unwrap().to_owned();
        (address, resource["values"].clone())
    };
    resources.iter().map(by_address).collect()
}

fn labels(role: &str, region: Option<&str>) -> BTreeMap<String, String> {
    let fleet = ("researchfleet.io/fleet".to_owned(), "study".to_owned());
    let role = ("researchfleet.io/role".to_owned(), role.to_owned());
    let region = region.map(|region| ("researchfleet.io/region".to_owned(), region.to_owned()));
    [fleet, role].into_iter().chain(region).collect()
}

/// The server is called and labelled as ours would be, and is told the same.
fn assert_ours(server: &Value, host: &Host, role: &Role) {
    let rendered = render(host, role).unwrap();
    assert_eq!(server["name"], host.name.as_str());
    assert_eq!(server["user_data"], rendered.text.expose_secret());
    let mut labels = host.node_labels.clone();
    labels.insert("researchfleet.io/user-data".into(), rendered.digest);
    assert_eq!(server["labels"], json!(labels));
}

#[test]
fn makes_what_fleetctl_takes_over() {
    let workspace = Workspace::with_provider().unwrap();
    succeed(&workspace.run(".", &["validate", "-no-color"]).unwrap()).unwrap();
    let mut wish = json!({
        "fleet": "study",
        "ssh_keys": { "me": "ssh-ed25519 AAAA me" },
        "allow_from": ["198.51.100.0/24"],
        "control_plane": { "volume_gb": 20, "ports": [60002] },
        "network": "10.80.0.0/16",
        "regions": {
            "germany": { "location": "fsn1", "server_type": "cx23" },
            "ashburn": { "location": "ash", "server_type": "cpx11", "ports": [60000] },
        },
    });
    let apply = [
        "apply",
        "-auto-approve",
        "-no-color",
        "-var-file=wish.tfvars.json",
    ];
    let plan = [
        "plan",
        "-detailed-exitcode",
        "-no-color",
        "-var-file=wish.tfvars.json",
    ];
    let wish_file = workspace.path("terraform/wish.tfvars.json");
    fs::write(&wish_file, wish.to_string()).unwrap();
    succeed(&workspace.run(".", &apply).unwrap()).unwrap();
    succeed(&workspace.run(".", &plan).unwrap()).unwrap();

    let made = resources(&workspace);
    let volume = &made["hcloud_volume.control_plane[0]"];
    let control_plane = Host {
        name: "study-control-plane".into(),
        tcp_ports_anywhere: vec![60002],
        node_labels: labels("control-plane", None),
        ..Host::default()
    };
    let k3s = Role::K3sServer {
        data_device: Some(volume["linux_device"].as_str().unwrap().into()),
        tls_sans: vec![],
    };
    assert_ours(&made["hcloud_server.control_plane"], &control_plane, &k3s);
    let ashburn = Host {
        name: "study-ashburn".into(),
        tcp_ports_anywhere: vec![60000],
        node_labels: labels("region", Some("ashburn")),
        ..Host::default()
    };
    let server = "hcloud_server.region[\"ashburn\"]";
    assert_ours(&made[server], &ashburn, &Role::Host);

    for (address, name) in [
        ("hcloud_volume.control_plane[0]", "study-control-plane"),
        ("hcloud_primary_ip.control_plane", "study-control-plane"),
        ("hcloud_firewall.fleet", "study"),
        ("hcloud_firewall.control_plane", "study-control-plane"),
        ("hcloud_network.this[0]", "study"),
        ("hcloud_placement_group.this[\"fsn1\"]", "study-fsn1"),
        ("hcloud_ssh_key.this[\"me\"]", "me"),
    ] {
        assert_eq!(made[address]["name"], name, "{address}");
        assert_eq!(
            made[address]["labels"]["researchfleet.io/fleet"], "study",
            "{address}"
        );
    }
    assert_eq!(
        made["hcloud_firewall.fleet"]["apply_to"][0]["label_selector"],
        "researchfleet.io/fleet=study"
    );
    let mut open: Vec<_> = made["hcloud_firewall.fleet"]["rule"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["port"].as_str().unwrap())
        .collect();
    open.sort_unstable();
    assert_eq!(open, ["", "22", "51820", "60000", "60001", "60002"]);
    let in_network =
        |server: &str| made.contains_key(&format!("hcloud_server_network.this[\"{server}\"]"));
    assert!(in_network("study-control-plane") && in_network("study-germany"));
    assert!(!in_network("study-ashburn"));

    // A token makes another wish, but no other servers: those that are there are not told again.
    wish["join"] = json!({
        "server": "https://203.0.113.7:6443",
        "token": crate::user_data::k3s_token(),
    });
    fs::write(&wish_file, wish.to_string()).unwrap();
    succeed(&workspace.run(".", &apply).unwrap()).unwrap();
    assert_eq!(resources(&workspace)[server], made[server]);

    wish["regions"]["later"] = json!({ "location": "hel1", "server_type": "cx23" });
    fs::write(&wish_file, wish.to_string()).unwrap();
    succeed(&workspace.run(".", &apply).unwrap()).unwrap();
    let later = Host {
        name: "study-later".into(),
        tcp_ports_anywhere: vec![60000, 60001],
        node_labels: labels("region", Some("later")),
        ..Host::default()
    };
    let server = &resources(&workspace)["hcloud_server.region[\"later\"]"];
    assert_ours(server, &later, &role("k3s-agent"));
}
