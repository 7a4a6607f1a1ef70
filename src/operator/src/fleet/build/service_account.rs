//! The account of all pods of a fleet. It may do nothing, and nobody gets its token.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::metadata::metadata;
use crate::fleet::names::{Component, child};
use crate::fleet::valid::Fleet;

pub(super) fn account(fleet: &Fleet) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(fleet, name(fleet), Component::Collector, None),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

pub(super) fn name(fleet: &Fleet) -> String {
    child(&fleet.name, "fleet")
}
