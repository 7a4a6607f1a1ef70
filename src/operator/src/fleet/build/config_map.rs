//! Specs of collectors, and scripts of the database.

use std::collections::BTreeMap;

use fleet_api::{
    Database, DeletionPolicy, ExternalDatabase, Privacy, Region, ResearchCollector,
    ResearchCollectorSpec, SecretRef, UpdatePolicy,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;

use super::metadata::metadata;
use crate::fleet::names::{self, Component, child};
use crate::fleet::valid::{DatabaseRole, Fleet};

/// The file with the spec of a collector.
pub(super) const SPEC: &str = "spec.yaml";
/// The script that makes the logins of a new database.
pub(super) const INIT: &str = "10-logins.sh";

/// What one region's collector has to know, and no more: so that it starts again only when that changes.
pub(super) fn collector(fleet: &Fleet, index: usize, region: &Region) -> ConfigMap {
    let name = names::collector(&fleet.name, &region.name);
    ConfigMap {
        metadata: metadata(fleet, name, Component::Collector, Some(&region.name)),
        data: Some(BTreeMap::from([(
            SPEC.to_owned(),
            spec(fleet, index, region),
        )])),
        ..ConfigMap::default()
    }
}

fn spec(fleet: &Fleet, index: usize, region: &Region) -> String {
    let spec = &fleet.collector.spec;
    let url = fleet.database_secret(DatabaseRole::Writer);
    let database = url.map(|name| Database {
        external: Some(ExternalDatabase {
            url_secret_ref: SecretRef { name },
        }),
        managed: None,
    });
    // The first region sends the canary's searches, so the others have to know that they are not the first.
    let first = fleet.regions().first().filter(|_| index > 0);
    let first = first.map(|first| {
        plain(&Region::new(
            &first.name,
            &first.credentials_secret_ref.name,
        ))
    });
    let derived = ResearchCollector {
        metadata: ObjectMeta {
            name: Some(fleet.name.clone()),
            ..ObjectMeta::default()
        },
        spec: ResearchCollectorSpec {
            regions: first.into_iter().chain([plain(region)]).collect(),
            privacy: Privacy {
                username: spec.privacy.username,
                key_secret_ref: Some(fleet.privacy_secret()),
            },
            database,
            infrastructure: None,
            archive: None,
            reports: None,
            update_policy: UpdatePolicy::default(),
            deletion_policy: DeletionPolicy::default(),
            suspend: false,
            image: None,
            ..spec.clone()
        },
        status: None,
    };
    // Of our own types: they can be written.
    serde_yaml::to_string(&derived).unwrap_or_default()
}

/// Without what only the operator has to know.
fn plain(region: &Region) -> Region {
    Region {
        listen: region.listen.clone(),
        ..Region::new(&region.name, &region.credentials_secret_ref.name)
    }
}

/// What the official image runs once, when the database is new.
pub(super) fn database(fleet: &Fleet) -> ConfigMap {
    let name = child(&fleet.name, "database");
    ConfigMap {
        metadata: metadata(fleet, name, Component::Database, None),
        data: Some(BTreeMap::from([(
            INIT.to_owned(),
            include_str!("logins.sh").to_owned(),
        )])),
        ..ConfigMap::default()
    }
}
