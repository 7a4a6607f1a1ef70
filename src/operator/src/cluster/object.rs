//! One object, written so that the second time changes nothing.

use std::fmt;

use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::core::gvk::ParseGroupVersionError;

use super::FIELD_MANAGER;
use super::connect::Cluster;
use super::error::ClusterError;

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// `Kind/name`.
    pub name: String,
    /// What was done.
    pub outcome: Outcome,
}

/// What was done with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there.
    Created,
    /// It was different.
    Changed,
    /// It was as it should be.
    Unchanged,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
        })
    }
}

/// Writes what the object says, whoever has written it before, and nothing else (server-side apply).
pub(super) async fn write(
    cluster: &Cluster,
    object: &DynamicObject,
) -> Result<Applied, ClusterError> {
    let name = object.metadata.name.clone().unwrap_or_default();
    let what = what(object);
    let api = api(cluster, object).map_err(|error| ClusterError::Failed {
        what: what.clone(),
        reason: error.to_string(),
    })?;
    let failed = |error| cluster.failed(&what, error);
    let before = api.get_metadata_opt(&name).await.map_err(failed)?;
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let after = api
        .patch(&name, &params, &Patch::Apply(object))
        .await
        .map_err(failed)?;
    let outcome = match before {
        None => Outcome::Created,
        Some(before) if before.metadata.resource_version == after.metadata.resource_version => {
            Outcome::Unchanged
        }
        Some(_) => Outcome::Changed,
    };
    Ok(Applied {
        name: what,
        outcome,
    })
}

/// `Kind/name`.
pub(super) fn what(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map_or("object", |types| &types.kind);
    let name = object.metadata.name.as_deref().unwrap_or_default();
    format!("{kind}/{name}")
}

/// In the object's namespace; an object without one belongs to the cluster.
fn api(
    cluster: &Cluster,
    object: &DynamicObject,
) -> Result<Api<DynamicObject>, ParseGroupVersionError> {
    let types = object.types.clone().unwrap_or_default();
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(types)?);
    Ok(match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(cluster.client(), namespace, &resource),
        None => Api::all_with(cluster.client(), &resource),
    })
}
