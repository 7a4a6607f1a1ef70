//! How a life-cycle has ended, without what differs from run to run.

use std::collections::BTreeMap;

use anyhow::Result;
use fleet_api::ResearchCollector;
use serde_json::{Value, json};

use super::life::Life;

/// What there is, by what it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EndState(BTreeMap<String, Value>);

impl EndState {
    /// In words, for people.
    pub(super) fn differs(&self, other: &Self) -> String {
        let mut lines = Vec::new();
        for (name, expected) in &self.0 {
            match other.0.get(name) {
                None => lines.push(format!("{name} is missing")),
                Some(found) if found != expected => {
                    lines.push(format!(
                        "{name}:\n  expected {expected}\n  found    {found}"
                    ));
                }
                Some(_) => {}
            }
        }
        let surplus = other.0.keys().filter(|name| !self.0.contains_key(*name));
        lines.extend(surplus.map(|name| format!("{name} is there")));
        lines.join("\n")
    }
}

pub(super) async fn end_state(life: &Life) -> Result<EndState> {
    let world = &life.world;
    let mut all = BTreeMap::new();
    let mut pods: BTreeMap<String, u32> = BTreeMap::new();
    for object in world.objects().await? {
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        let object = plain(object, life);
        if kind == "Pod" {
            // Their names are drawn by lot.
            let labels = &object["metadata"]["labels"];
            let of = ["app.kubernetes.io/component", "researchfleet.io/region"];
            let of = of.map(|label| labels[label].as_str().unwrap_or_default());
            *pods.entry(format!("Pods of {}", of.join(" "))).or_default() += 1;
            continue;
        }
        all.insert(format!("{kind}/{}", object["metadata"]["name"]), object);
    }
    all.extend(pods.into_iter().map(|(of, count)| (of, json!(count))));
    let state = world.cloud.state();
    for server in state.servers.values() {
        let meta = &server.meta;
        let value = json!({
            "labels": meta.labels, "status": server.status, "type": server.server_type,
            "location": server.location, "grouped": server.placement_group.is_some(),
        });
        all.insert(format!("server {}", meta.name), plain(value, life));
    }
    for firewall in state.firewalls.values() {
        let meta = &firewall.meta;
        let value = json!({"labels": meta.labels, "rules": firewall.rules, "targets": firewall.targets.len()});
        all.insert(format!("firewall {}", meta.name), plain(value, life));
    }
    for group in state.placement_groups.values() {
        let value = json!(group.meta.labels);
        all.insert(
            format!("placement group {}", group.meta.name),
            plain(value, life),
        );
    }
    for ip in state.primary_ips.values() {
        let is_used = ip.assignee.is_some();
        let same = all.entry(format!("{} address, used: {is_used}", ip.kind));
        let count = same.or_insert(json!(0));
        *count = json!(count.as_u64().unwrap_or_default() + 1);
    }
    let fleets = world.api::<ResearchCollector>();
    if let Some(fleet) = fleets.get_opt(&world.name).await? {
        let status = fleet.status.unwrap_or_default();
        for condition in &status.conditions {
            let value = json!([condition.status, condition.reason]);
            all.insert(format!("condition {}", condition.type_), value);
        }
        all.insert("finalizers".to_owned(), json!(fleet.metadata.finalizers));
    }
    Ok(EndState(all))
}

/// Without what is secret, drawn by lot, or a time; and with the storage, which grows from run to run, as a word.
fn plain(mut object: Value, life: &Life) -> Value {
    let is_secret = object["kind"] == "Secret";
    let data = object.get_mut("data").filter(|_| is_secret);
    if let Some(data) = data.and_then(Value::as_object_mut) {
        for value in data.values_mut() {
            *value = json!("SECRET");
        }
    }
    let size = format!("\"{}Gi\"", life.gigabytes);
    let text = object.to_string().replace(&life.world.name, "WORLD");
    let text = without_digests(&text.replace(&size, "\"SIZE\""));
    serde_json::from_str(&text).unwrap_or(object)
}

/// With a sign in the place of digests, unique ids, and addresses of servers.
fn without_digests(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut word = String::new();
    for letter in text.chars().chain([' ']) {
        if letter.is_ascii_alphanumeric() {
            word.push(letter);
            continue;
        }
        let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_digest = is_hex && word.len() >= 8;
        // The middle of a unique id.
        let is_part = is_hex && word.len() == 4 && plain.ends_with("#-");
        // The second server of a world has another address than the first.
        let is_address = plain.ends_with("\"127.80.") || plain.ends_with("\"127.80.#.");
        plain.push_str(if is_digest || is_part || is_address {
            "#"
        } else {
            &word
        });
        plain.push(letter);
        word.clear();
    }
    plain.pop();
    plain
}
