//! The user's documents.

use std::collections::BTreeMap;

use fleet_api::Manifest;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DynamicObject, ObjectMeta};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::connect::Cluster;
use super::error::ClusterError;
use super::object::{Applied, write};

/// Writes the collector and the Secrets beside it into the collector's namespace, else into the one of the kubeconfig's
/// context. What the file says wins over what others have written; what it does not mention is left as it is.
pub async fn apply(cluster: &Cluster, manifest: &Manifest) -> Result<Vec<Applied>, ClusterError> {
    let mut collector = manifest.collector.clone();
    let namespace = collector
        .metadata
        .namespace
        .get_or_insert_with(|| cluster.client().default_namespace().to_owned())
        .clone();
    let mut done = Vec::new();
    // First, so that whoever sees the collector finds them.
    for (name, values) in manifest.secrets() {
        let object = untyped(&secret(name, &namespace, values), &format!("Secret/{name}"))?;
        done.push(write(cluster, &object).await?);
    }
    let what = format!("ResearchCollector/{}", manifest.name());
    done.push(write(cluster, &untyped(&collector, &what)?).await?);
    Ok(done)
}

/// As `data`: of what once stood under `stringData` the API server forgets who has written it, so it would never be
/// removed again.
fn secret(name: &str, namespace: &str, values: &BTreeMap<String, SecretString>) -> Secret {
    let encode = |value: &SecretString| ByteString(value.expose_secret().as_bytes().to_vec());
    let data = values
        .iter()
        .map(|(key, value)| (key.clone(), encode(value)));
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(data.collect()),
        ..Secret::default()
    }
}

fn untyped(object: &impl Serialize, what: &str) -> Result<DynamicObject, ClusterError> {
    let object = serde_json::to_value(object).and_then(serde_json::from_value);
    object.map_err(|error| ClusterError::Failed {
        what: what.to_owned(),
        reason: error.to_string(),
    })
}
