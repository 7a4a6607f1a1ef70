//! The files in `cloud-init/`, and filling them in.

use std::collections::BTreeMap;

use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value, filters};
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
    environment.add_filter("tojson", tojson);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    let mut text = environment.get_template(template)?.render(values.clone())?;
    // The engine takes the last one of each file.
    text.push('\n');
    Ok(text)
}

/// Without this, a name without a value would become `null`, strict or not.
fn tojson(value: &Value) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    filters::tojson(value, None, Kwargs::from_iter([] as [(&str, Value); 0]))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_yaml::Value as Yaml;

    use super::*;

    /// Whatever comes through the checks in future: a template itself lets nothing out of its place.
    const NASTY: &str =
        "[ -~]{0,40}|(\"|'|\\\\|\\$\\(|`|: |- |#|\\{\\{|\\}\\}|%|<|>|&|@|[ -~]){0,20}";

    fn file<'a>(config: &'a Yaml, path: &str) -> &'a str {
        let files = config["write_files"].as_sequence().unwrap();
        let file = files.iter().find(|file| file["path"] == path).unwrap();
        file["content"].as_str().unwrap()
    }

    proptest! {
        #[test]
        fn values_arrive_as_they_are(text in NASTY, list in prop::collection::vec(NASTY, 0..4)) {
            let mut values = versions().unwrap();
            for name in ["name", "tcp_ports", "udp_ports", "reboot", "reboot_at", "server", "token"] {
                values.insert(name, text.as_str().into());
            }
            for name in ["node_labels", "node_taints"] {
                values.insert(name, list.clone().into());
            }
            let filled = fill("k3s-agent.yaml.j2", &values).unwrap();
            let config: Yaml = serde_yaml::from_str(&filled).unwrap();
            prop_assert_eq!(config["hostname"].as_str(), Some(text.as_str()));
            let paths = filled.matches("\n  - path: ").count();
            prop_assert_eq!(config["write_files"].as_sequence().unwrap().len(), paths);
            prop_assert_eq!(file(&config, "/etc/rancher/k3s/token"), text.as_str());
            let k3s: Yaml = serde_yaml::from_str(file(&config, "/etc/rancher/k3s/config.yaml")).unwrap();
            prop_assert_eq!(k3s.as_mapping().unwrap().len(), 8);
            prop_assert_eq!(k3s["server"].as_str(), Some(text.as_str()));
            let labels = k3s["node-label"].as_sequence().unwrap();
            prop_assert!(labels.iter().map(|label| label.as_str().unwrap()).eq(list.iter().map(String::as_str)));
        }
    }

    /// `terraform.rs` of the cross-part tests expects the same of Terraform.
    #[test]
    fn characters_of_other_languages_are_escaped() {
        let nasty = r#"<it's> "a" & \b {{ name | tojson }} ${c} %{d}"#;
        let escaped = r#""\u003cit\u0027s\u003e \"a\" \u0026 \\b {{ name | tojson }} ${c} %{d}""#;
        assert_eq!(tojson(&nasty.into()).unwrap().to_string(), escaped);
        let list = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(tojson(&list.into()).unwrap().to_string(), r#"["a", "b"]"#);
    }

    #[test]
    fn a_name_without_a_value_is_an_error() {
        let error = fill("host.yaml.j2", &Values::new()).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap();
        let cause = cause.downcast_ref::<Error>().unwrap();
        assert_eq!(cause.kind(), ErrorKind::UndefinedError);
    }

    /// What Terraform can do with `split` and `join`, and no more.
    #[test]
    fn templates_only_include_and_insert() {
        for (name, source) in TEMPLATES {
            assert!(source.is_ascii() && source.ends_with('\n'), "{name}");
            assert!(!source.contains("{#"), "{name}: a comment for the engine");
            for inserted in source.split("{{").skip(1) {
                let (value, _) = inserted.split_once("}}").unwrap();
                let value = value
                    .strip_prefix(' ')
                    .unwrap()
                    .strip_suffix(" | tojson ")
                    .unwrap();
                assert!(
                    value
                        .bytes()
                        .all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte)),
                    "{name}: {value}"
                );
            }
            for included in source.split("{%").skip(1) {
                let file = included
                    .strip_prefix(" include \"")
                    .unwrap()
                    .split_once("\" %}\n")
                    .unwrap()
                    .0;
                let (_, source) = TEMPLATES.iter().find(|(name, _)| *name == file).unwrap();
                assert!(!source.contains("{%"), "{file} is included and includes");
            }
        }
    }
}
