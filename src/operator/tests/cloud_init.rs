//! What cloud-init, k3s and the kubelet read out of `user_data`, and what is refused before they read it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use fleet_operator::cloud_init::{Host, MAX_BYTES, RenderError, Role, render};
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use serde_yaml::{Mapping, Value};

const TOKEN: &str = "abcdef.0123456789abcdef";

fn k3s_token(secret: &str) -> String {
    format!("K10{}::abcdef.{secret}", "a1".repeat(32))
}

fn host() -> Host {
    Host {
        name: "study-nuremberg".into(),
        tcp_ports_anywhere: vec![60000, 60001],
        udp_ports_anywhere: vec![],
        node_labels: BTreeMap::from([("researchfleet.io/region".into(), "nuremberg".into())]),
        node_taints: vec!["researchfleet.io/only=collectors:NoSchedule".into()],
        reboot_at: Some("03:30".into()),
    }
}

fn server() -> Role {
    Role::K3sServer {
        data_device: Some("/dev/disk/by-id/scsi-0HC_Volume_17".into()),
        tls_sans: vec!["fleet.example.org".into(), "2001:db8::1".into()],
    }
}

fn agent(secret: &str) -> Role {
    Role::K3sAgent {
        server: "https://203.0.113.7:6443".into(),
        token: k3s_token(secret).into(),
    }
}

fn kubeadm() -> Role {
    Role::KubeadmNode {
        endpoint: "kind-control-plane:6443".into(),
        token: TOKEN.into(),
        ca_hash: format!("sha256:{}", "0f".repeat(32)),
        ignore_preflight_errors: vec!["all".into()],
    }
}

fn roles() -> [Role; 4] {
    [Role::Host, server(), agent("0123456789abcdef"), kubeadm()]
}

fn text(host: &Host, role: &Role) -> String {
    let rendered = render(host, role).unwrap();
    rendered.text.expose_secret().to_owned()
}

/// The files that cloud-init writes: their contents by path.
fn files(text: &str) -> BTreeMap<String, String> {
    let config: Mapping = serde_yaml::from_str(text).unwrap();
    let field = |file: &Value, name| file[name].as_str().unwrap().to_owned();
    config["write_files"]
        .as_sequence()
        .unwrap()
        .iter()
        .map(|file| (field(file, "path"), field(file, "content")))
        .collect()
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

fn strings(value: &Value) -> Vec<&str> {
    let list = value.as_sequence().unwrap();
    list.iter().map(|item| item.as_str().unwrap()).collect()
}

#[test]
fn every_role_is_a_cloud_config_that_runs_the_script_once() {
    for role in roles() {
        let text = text(&host(), &role);
        assert!(text.starts_with("#cloud-config\n"), "{role:?}");
        assert!(text.ends_with("}\n") || text.ends_with(")\n"), "{role:?}");
        assert!(text.len() < MAX_BYTES, "{role:?}: {}", text.len());
        let config = yaml(&text);
        assert_eq!(config["hostname"], "study-nuremberg");
        assert_eq!(config["ssh_pwauth"], false);
        assert_eq!(strings(&config["runcmd"][0]), ["/usr/local/lib/fleet/boot"]);
        let files = files(&text);
        assert!(files["/usr/local/lib/fleet/boot"].starts_with("#!/bin/bash\n"));
        assert!(files["/usr/local/lib/fleet/role.sh"].contains("STEPS=("));
        assert_eq!(files["/etc/fleet/ports/tcp"], "60000 60001");
        assert_eq!(files["/etc/fleet/ports/udp"], "");
        let upgrades = &files["/etc/apt/apt.conf.d/52fleet"];
        assert!(upgrades.contains("Automatic-Reboot \"true\";"));
        assert!(upgrades.contains("Automatic-Reboot-Time \"03:30\";"));
    }
}

#[test]
fn scripts_and_secrets_are_for_root_alone() {
    for role in roles() {
        let config = yaml(&text(&host(), &role));
        for file in config["write_files"].as_sequence().unwrap() {
            let path = file["path"].as_str().unwrap();
            let mode = file.get("permissions").map(|mode| mode.as_str().unwrap());
            let content = file["content"].as_str().unwrap();
            if path.starts_with("/usr/local/lib/fleet/") {
                assert_eq!(mode, Some("0700"), "{path}");
            } else if content.contains("abcdef.") || path.starts_with("/etc/rancher") {
                assert_eq!(mode, Some("0600"), "{path}");
            }
        }
    }
}

#[test]
fn a_machine_reboots_by_itself_only_when_told_when() {
    let host = Host {
        reboot_at: None,
        ..host()
    };
    let files = files(&text(&host, &Role::Host));
    assert!(files["/etc/apt/apt.conf.d/52fleet"].contains("Automatic-Reboot \"false\";"));
}

#[test]
fn a_k3s_server_has_its_settings_and_no_token() {
    let text = text(&host(), &server());
    let files = files(&text);
    let config = yaml(&files["/etc/rancher/k3s/config.yaml"]);
    assert_eq!(config["node-name"], "study-nuremberg");
    assert_eq!(
        strings(&config["node-label"]),
        ["researchfleet.io/region=nuremberg"]
    );
    assert_eq!(
        strings(&config["node-taint"]),
        ["researchfleet.io/only=collectors:NoSchedule"]
    );
    assert_eq!(
        strings(&config["tls-san"]),
        ["@public-ipv4@", "fleet.example.org", "2001:db8::1"]
    );
    assert_eq!(config["secrets-encryption"], true);
    assert_eq!(config.get("token"), None);
    assert_eq!(
        files["/etc/fleet/data-device"],
        "/dev/disk/by-id/scsi-0HC_Volume_17"
    );
    assert_eq!(files["/etc/fleet/ports/tcp.k3s"], "6443");
    assert!(!text.contains("K10"));
}

#[test]
fn k3s_is_pinned_for_both_architectures() {
    let versions = yaml(include_str!("../../../cloud-init/versions.json"));
    for role in [server(), agent("0123456789abcdef")] {
        let files = files(&text(&host(), &role));
        let pinned = |name: &str| versions["k3s"][name].as_str().unwrap();
        assert_eq!(files["/etc/fleet/k3s/version"], pinned("version"));
        assert!(pinned("version").starts_with('v') && pinned("version").contains("+k3s"));
        for architecture in ["amd64", "arm64"] {
            let digest = &files[&format!("/etc/fleet/k3s/{architecture}")];
            assert_eq!(digest, pinned(architecture));
            assert_eq!(digest.len(), 64);
        }
        assert_ne!(pinned("amd64"), pinned("arm64"));
    }
}

#[test]
fn a_k3s_agent_knows_its_server_and_keeps_the_token_in_a_file() {
    let files = files(&text(&host(), &agent("0123456789abcdef")));
    let config = yaml(&files["/etc/rancher/k3s/config.yaml"]);
    assert_eq!(config["server"], "https://203.0.113.7:6443");
    assert_eq!(config["token-file"], "/etc/rancher/k3s/token");
    assert_eq!(
        files["/etc/rancher/k3s/token"],
        k3s_token("0123456789abcdef")
    );
}

#[test]
fn a_kubeadm_node_has_its_configuration() {
    let files = files(&text(&host(), &kubeadm()));
    let join = yaml(&files["/etc/fleet/join.yaml"]);
    assert_eq!(join["apiVersion"], "kubeadm.k8s.io/v1beta4");
    let discovery = &join["discovery"]["bootstrapToken"];
    assert_eq!(discovery["apiServerEndpoint"], "kind-control-plane:6443");
    assert_eq!(discovery["token"], TOKEN);
    let hash = format!("sha256:{}", "0f".repeat(32));
    assert_eq!(strings(&discovery["caCertHashes"]), [hash.as_str()]);
    let node = &join["nodeRegistration"];
    assert_eq!(node["name"], "study-nuremberg");
    assert_eq!(strings(&node["ignorePreflightErrors"]), ["all"]);
    let arguments: BTreeMap<&str, &str> = node["kubeletExtraArgs"]
        .as_sequence()
        .unwrap()
        .iter()
        .map(|argument| {
            (
                argument["name"].as_str().unwrap(),
                argument["value"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        arguments,
        BTreeMap::from([
            ("node-labels", "researchfleet.io/region=nuremberg"),
            (
                "register-with-taints",
                "researchfleet.io/only=collectors:NoSchedule"
            ),
            ("provider-id", "hcloud://@instance-id@"),
        ])
    );
}

#[test]
fn the_digest_is_of_the_wish_and_not_of_the_secret() {
    let digest = |host: &Host, role: &Role| render(host, role).unwrap().digest;
    let mut digests: Vec<String> = roles().iter().map(|role| digest(&host(), role)).collect();
    let again = digest(&host(), &agent("fedcba9876543210"));
    assert_eq!(digests[2], again);
    for digest in &digests {
        assert_eq!(digest.len(), 16);
        assert!(digest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    digests.push(digest(
        &Host {
            tcp_ports_anywhere: vec![60000],
            ..host()
        },
        &Role::Host,
    ));
    let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
    assert_eq!(distinct.len(), digests.len());
}

#[test]
fn secrets_are_not_printed() {
    let secret = "0123456789abcdef";
    for role in [agent(secret), kubeadm()] {
        let rendered = render(&host(), &role).unwrap();
        assert!(!format!("{role:?}{rendered:?}").contains(secret));
    }
    let error = render(&host(), &agent("0123456789ABCDEF")).unwrap_err();
    assert!(!format!("{error}{error:?}").contains("0123456789ABCDEF"));
    assert_eq!(
        error.to_string(),
        "the token must be a bootstrap token, for k3s in the form K10<SHA-256 of the CA>::<id>.<secret>"
    );
}

#[test]
fn what_would_not_come_up_is_refused() {
    let hosts: [fn(&mut Host); 9] = [
        |host| host.name = String::new(),
        |host| host.name = "n".repeat(300),
        |host| host.name = "Upper".into(),
        |host| host.name = "a\n- b".into(),
        |host| host.node_labels = BTreeMap::from([("a".into(), "it's \"b\"".into())]),
        |host| host.node_labels = BTreeMap::from([("a\n".into(), String::new())]),
        |host| host.node_taints = vec!["a=b".into()],
        |host| host.node_taints = vec!["a=b,c=d:NoSchedule".into()],
        |host| host.reboot_at = Some("24:00".into()),
    ];
    for change in hosts {
        let mut host = host();
        change(&mut host);
        let error = render(&host, &Role::Host).unwrap_err();
        assert!(matches!(error, RenderError::Value { .. }), "{host:?}");
    }
    let k3s = |device: &str, san: &str| Role::K3sServer {
        data_device: Some(device.into()),
        tls_sans: vec![san.into()],
    };
    let join = |endpoint: &str, hash: &str, check: &str| Role::KubeadmNode {
        endpoint: endpoint.into(),
        token: TOKEN.into(),
        ca_hash: hash.into(),
        ignore_preflight_errors: vec![check.into()],
    };
    let hash = format!("sha256:{}", "0".repeat(64));
    let roles = [
        k3s("/dev/sdb /mnt", "a"),
        k3s("sdb", "a"),
        k3s("/dev/sdb", "a b"),
        k3s("/dev/sdb", ""),
        join("host", &hash, "all"),
        join("host:65536", &hash, "all"),
        join("host:+443", &hash, "all"),
        join("host:6443", "sha256:0", "all"),
        join("host:6443", &hash, "a b"),
        Role::K3sAgent {
            server: "http://203.0.113.7:6443".into(),
            token: k3s_token("0123456789abcdef").into(),
        },
        agent("short"),
    ];
    for role in roles {
        let error = render(&host(), &role).unwrap_err();
        assert!(matches!(error, RenderError::Value { .. }), "{role:?}");
    }
}

#[test]
fn more_than_the_provider_takes_is_refused() {
    let label = |number| (format!("label-{number}"), "v".repeat(63));
    let host = Host {
        node_labels: (0..400).map(label).collect(),
        ..host()
    };
    let error = render(&host, &server()).unwrap_err();
    assert!(
        matches!(error, RenderError::TooLong(bytes) if bytes > MAX_BYTES),
        "{error}"
    );
}

/// Often what is right, else anything.
fn mostly(right: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![8 => right, 1 => "\\PC{0,5}"]
}

proptest! {
    /// Whatever somebody writes into a spec: it is refused, or arrives as it was written.
    #[test]
    fn nothing_gets_out_of_its_place(
        name in mostly("[a-z0-9][a-z0-9-]{0,5}"),
        key in mostly("([a-z][a-z0-9.-]{0,5}/)?[A-Za-z0-9._-]{1,8}"),
        value in mostly("[A-Za-z0-9._-]{0,8}"),
        taint in mostly("[a-z]{1,3}(=[a-z'\":]{0,3})?:(NoSchedule|NoExecute)"),
        san in mostly("[a-z0-9.:*-]{1,9}"),
    ) {
        let host = Host {
            name: name.clone(),
            node_labels: BTreeMap::from([(key.clone(), value.clone())]),
            node_taints: vec![taint.clone()],
            ..Host::default()
        };
        let role = Role::K3sServer { data_device: None, tls_sans: vec![san.clone()] };
        match render(&host, &role) {
            Err(error) => prop_assert!(matches!(error, RenderError::Value { .. }), "{}", error),
            Ok(rendered) => {
                let files = files(rendered.text.expose_secret());
                prop_assert_eq!(&files["/etc/fleet/name"], &name);
                let config = yaml(&files["/etc/rancher/k3s/config.yaml"]);
                prop_assert_eq!(config["node-name"].as_str(), Some(name.as_str()));
                prop_assert_eq!(strings(&config["node-label"]), [format!("{key}={value}")]);
                prop_assert_eq!(strings(&config["node-taint"]), [taint]);
                prop_assert_eq!(strings(&config["tls-san"]), ["@public-ipv4@", san.as_str()]);
                prop_assert_eq!(config.as_mapping().unwrap().len(), 12);
            }
        }
    }
}
