//! Whether labels meet a selector.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{NodeSelector, Pod},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

pub(super) type Labels = BTreeMap<String, String>;

/// Whether a node with these labels and this name is one that the pod asks for.
pub(super) fn pod_wants_node(pod: &Pod, labels: &Labels, name: &str) -> bool {
    let Some(spec) = &pod.spec else { return true };
    let mut plain = spec.node_selector.iter().flatten();
    if !plain.all(|(key, value)| labels.get(key) == Some(value)) {
        return false;
    }
    let affinity = spec
        .affinity
        .as_ref()
        .and_then(|all| all.node_affinity.as_ref());
    let required = affinity.and_then(|node| {
        node.required_during_scheduling_ignored_during_execution
            .as_ref()
    });
    required.is_none_or(|selector| node_meets(selector, labels, name))
}

/// One of the terms has to be met, each with all that it says.
fn node_meets(selector: &NodeSelector, labels: &Labels, name: &str) -> bool {
    let fields = Labels::from([("metadata.name".to_owned(), name.to_owned())]);
    selector.node_selector_terms.iter().any(|term| {
        let expressions = term.match_expressions.iter().flatten();
        let of_fields = term.match_fields.iter().flatten();
        expressions
            .map(|wanted| (wanted, labels))
            .chain(of_fields.map(|wanted| (wanted, &fields)))
            .all(|(wanted, values)| {
                let options = wanted.values.as_deref().unwrap_or_default();
                meets(values, &wanted.key, &wanted.operator, options)
            })
    })
}

pub(super) fn selector_meets(selector: &LabelSelector, labels: &Labels) -> bool {
    let mut plain = selector.match_labels.iter().flatten();
    let mut expressions = selector.match_expressions.iter().flatten();
    plain.all(|(key, value)| labels.get(key) == Some(value))
        && expressions.all(|wanted| {
            let options = wanted.values.as_deref().unwrap_or_default();
            meets(labels, &wanted.key, &wanted.operator, options)
        })
}

fn meets(labels: &Labels, key: &str, operator: &str, options: &[String]) -> bool {
    let value = labels.get(key);
    match operator {
        "In" => value.is_some_and(|value| options.contains(value)),
        "NotIn" => value.is_none_or(|value| !options.contains(value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        // `Gt` and `Lt`, which nobody here uses.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn selectors_and_affinity_are_both_kept_to() {
        let labels = Labels::from([("disk".to_owned(), "ssd".to_owned())]);
        let pod = |spec: Value| serde_json::from_value::<Pod>(json!({"spec": spec})).unwrap();
        let affinity = |operator: &str, values: Value| {
            let expression = json!({"key": "disk", "operator": operator, "values": values});
            json!({"containers": [], "affinity": {"nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                    {"matchExpressions": [expression]},
                ]},
            }}})
        };
        let wants = |spec: Value| pod_wants_node(&pod(spec), &labels, "here");
        assert!(wants(json!({"containers": []})));
        assert!(wants(
            json!({"containers": [], "nodeSelector": {"disk": "ssd"}})
        ));
        assert!(!wants(
            json!({"containers": [], "nodeSelector": {"disk": "hdd"}})
        ));
        assert!(wants(affinity("In", json!(["hdd", "ssd"]))));
        assert!(!wants(affinity("NotIn", json!(["ssd"]))));
        assert!(wants(affinity("Exists", json!(null))));
        assert!(!wants(affinity("DoesNotExist", json!(null))));
    }
}
