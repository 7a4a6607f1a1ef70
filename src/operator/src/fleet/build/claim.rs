//! Volumes. They are objects of their own, not templates of a `StatefulSet`, so that they can grow.

use std::collections::BTreeMap;

use fleet_api::Volume;
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::metadata::lasting;
use crate::fleet::names::{Component, child, spool};
use crate::fleet::valid::Fleet;

/// All volumes of a fleet.
pub(super) fn claims(fleet: &Fleet) -> Vec<PersistentVolumeClaim> {
    let spools = fleet.regions().iter().map(|region| {
        let name = spool(&fleet.name, &region.name);
        claim(
            fleet,
            name,
            Component::Collector,
            Some(&region.name),
            &region.spool,
        )
    });
    let mut claims: Vec<_> = spools.collect();
    let mut add = |component: Component, volume: &Volume| {
        let name = child(&fleet.name, component.as_str());
        claims.push(claim(fleet, name, component, None, volume));
    };
    if let Some(managed) = fleet.managed() {
        add(Component::Database, &managed.volume);
        if let Some(backup) = &managed.backup {
            add(Component::Backup, &backup.volume);
        }
    }
    let archive = fleet.archive();
    if let Some(volume) = archive.and_then(|archive| archive.destination.volume.as_ref()) {
        add(Component::Archive, volume);
    }
    claims
}

fn claim(
    fleet: &Fleet,
    name: String,
    component: Component,
    region: Option<&str>,
    volume: &Volume,
) -> PersistentVolumeClaim {
    let Volume {
        size,
        storage_class_name,
    } = volume;
    let storage = BTreeMap::from([("storage".to_owned(), Quantity(size.clone()))]);
    PersistentVolumeClaim {
        metadata: lasting(fleet, name, component, region),
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: storage_class_name.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(storage),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}
