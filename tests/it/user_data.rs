//! What the tests of a first boot render: one machine in each role.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use fleet_operator::cloud_init::{Host, Role, render};
use secrecy::ExposeSecret as _;

/// Bootstrap token of kubeadm.
pub(crate) const TOKEN: &str = "abcdef.0123456789abcdef";
/// The digest of a CA.
pub(crate) const CA: &str = "5f0c1b2a3948576655443322110ffeeddccbbaa99887766554433221100ffee0";

/// Every role by the name of its template.
pub(crate) const ROLES: [&str; 4] = ["host", "k3s-server", "k3s-agent", "kubeadm-node"];

/// A bootstrap token of k3s.
pub(crate) fn k3s_token() -> String {
    format!("K10{CA}::{TOKEN}")
}

pub(crate) fn host() -> Host {
    Host {
        name: "study-ashburn".into(),
        tcp_ports_anywhere: vec![60000, 60001],
        udp_ports_anywhere: vec![],
        node_labels: BTreeMap::from([
            ("researchfleet.io/fleet".into(), "study".into()),
            ("researchfleet.io/region".into(), "ashburn".into()),
        ]),
        node_taints: vec!["researchfleet.io/only=collectors:NoSchedule".into()],
        reboot_at: Some("03:30".into()),
    }
}

pub(crate) fn role(name: &str) -> Role {
    match name {
        "host" => Role::Host,
        "k3s-server" => Role::K3sServer {
            data_device: None,
            tls_sans: vec!["fleet.example.org".into()],
        },
        "k3s-agent" => Role::K3sAgent {
            server: "https://203.0.113.7:6443".into(),
            token: k3s_token().into(),
        },
        "kubeadm-node" => Role::KubeadmNode {
            endpoint: "kind-control-plane:6443".into(),
            token: TOKEN.into(),
            ca_hash: format!("sha256:{CA}"),
            ignore_preflight_errors: vec!["Swap".into(), "SystemVerification".into()],
        },
        other => panic!("no role {other}"),
    }
}

/// The text for [`host`] in a role.
pub(crate) fn text(role_name: &str) -> String {
    let rendered = render(&host(), &role(role_name)).unwrap();
    rendered.text.expose_secret().to_owned()
}

/// A file that cloud-init writes.
#[derive(Debug)]
pub(crate) struct WrittenFile {
    pub(crate) path: String,
    pub(crate) content: String,
    /// Octal digits.
    pub(crate) mode: String,
}

/// The files that cloud-init writes.
pub(crate) fn files(text: &str) -> Vec<WrittenFile> {
    let config: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
    let text = |value: &serde_yaml::Value| value.as_str().unwrap().to_owned();
    let files = config["write_files"].as_sequence().unwrap();
    files
        .iter()
        .map(|file| WrittenFile {
            path: text(&file["path"]),
            content: text(&file["content"]),
            mode: file.get("permissions").map_or("0644".into(), text),
        })
        .collect()
}
