//! The files in `cloud-init/`, and filling them in.

use std::collections::BTreeMap;

use minijinja::{Environment, Error, UndefinedBehavior, Value};
use serde::Deserialize;

const TEMPLATES: [(&str, &str); 6] = [
    (
        "hardening.yaml.j2",
        include_str!("../../../../cloud-init/hardening.yaml.j2"),
    ),
    (
        "host.yaml.j2",
        include_str!("../../../../cloud-init/host.yaml.j2"),
    ),
    (
        "k3s.yaml.j2",
        include_str!("../../../../cloud-init/k3s.yaml.j2"),
    ),
    (
        "k3s-server.yaml.j2",
        include_str!("../../../../cloud-init/k3s-server.yaml.j2"),
    ),
    (
        "k3s-agent.yaml.j2",
        include_str!("../../../../cloud-init/k3s-agent.yaml.j2"),
    ),
    (
        "kubeadm-node.yaml.j2",
        include_str!("../../../../cloud-init/kubeadm-node.yaml.j2"),
    ),
];

const VERSIONS: &str = include_str!("../../../../cloud-init/versions.json");

/// What stands in a template: texts and lists of texts. `tojson` makes valid YAML of both.
pub(super) type Values = BTreeMap<&'static str, Value>;

/// What `template` says with these values. Each name in it must have one.
pub(super) fn fill(template: &str, values: &Values) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    environment.get_template(template)?.render(values.clone())
}

#[derive(Deserialize)]
struct Versions {
    k3s: K3s,
}

#[derive(Deserialize)]
struct K3s {
    version: String,
    amd64: String,
    arm64: String,
}

/// The pinned versions.
pub(super) fn versions() -> Result<Values, serde_json::Error> {
    let Versions {
        k3s: K3s {
            version,
            amd64,
            arm64,
        },
    } = serde_json::from_str(VERSIONS)?;
    Ok(Values::from([
        ("k3s_version", version.into()),
        ("k3s_amd64", amd64.into()),
        ("k3s_arm64", arm64.into()),
    ]))
}
