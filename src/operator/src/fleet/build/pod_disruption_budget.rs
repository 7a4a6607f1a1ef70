//! What a drain may not stop: a person has to move the database.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata::metadata;
use crate::fleet::names::{Component, child};
use crate::fleet::valid::Fleet;

pub(super) fn database(fleet: &Fleet) -> PodDisruptionBudget {
    let component = Component::Database;
    PodDisruptionBudget {
        metadata: metadata(
            fleet,
            child(&fleet.name, component.as_str()),
            component,
            None,
        ),
        spec: Some(PodDisruptionBudgetSpec {
            min_available: Some(IntOrString::Int(1)),
            selector: Some(component.label_selector(&fleet.name, None)),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}
