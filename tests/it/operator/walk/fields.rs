//! No field of the spec is forgotten: the schema is walked.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use fleet_api::ResearchCollector;
use kube::CustomResourceExt as _;
use serde_json::Value;

use super::table;

/// All fields that hold a value, with `*` for the items of a list.
fn leaves(schema: &Value, at: &str, found: &mut BTreeSet<String>) {
    let items = &schema["items"];
    if let Some(fields) = schema["properties"].as_object() {
        for (name, field) in fields {
            leaves(field, &format!("{at}/{name}"), found);
        }
    } else if items["properties"].is_object() {
        leaves(items, &format!("{at}/*"), found);
    } else {
        found.insert(at.to_owned());
    }
}

/// Every field that a value writes, and those around it.
fn written(at: &str, value: &Value, found: &mut BTreeSet<String>) {
    if value.is_null() {
        return;
    }
    let parts = at.split('/').map(|part| match part.parse::<usize>() {
        Ok(_) => "*",
        Err(_) => part,
    });
    found.insert(parts.collect::<Vec<_>>().join("/"));
    if let Some(fields) = value.as_object() {
        for (name, field) in fields {
            written(&format!("{at}/{name}"), field, found);
        }
    }
}

#[test]
fn every_field_of_the_spec_is_in_the_table() -> Result<()> {
    let crd = serde_json::to_value(ResearchCollector::crd())?;
    let spec = crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec");
    let mut wanted = BTreeSet::new();
    leaves(spec.context("no spec in the schema")?, "", &mut wanted);
    assert!(wanted.len() > 60, "{wanted:?}");
    let mut found = BTreeSet::new();
    for row in table() {
        for (field, value) in &row.set {
            written(field, value, &mut found);
        }
    }
    let missing: Vec<_> = wanted.difference(&found).collect();
    assert!(missing.is_empty(), "in no row: {missing:#?}");
    Ok(())
}
