//! What all objects have.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::fleet::names::Component;
use crate::fleet::valid::Fleet;

/// Of an object that goes with the fleet.
pub(super) fn metadata(
    fleet: &Fleet,
    name: String,
    component: Component,
    region: Option<&str>,
) -> ObjectMeta {
    ObjectMeta {
        owner_references: Some(vec![fleet.owner.clone()]),
        ..lasting(fleet, name, component, region)
    }
}

/// Of an object that outlives the fleet, unless the operator deletes it.
pub(super) fn lasting(
    fleet: &Fleet,
    name: String,
    component: Component,
    region: Option<&str>,
) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(fleet.namespace.clone()),
        labels: Some(component.labels(&fleet.name, region)),
        ..ObjectMeta::default()
    }
}
