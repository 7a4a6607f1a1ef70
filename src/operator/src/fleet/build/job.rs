//! The migration: brings the tables to this version before any collector of it starts.

use fleet_api::Resources;
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::collector::template_digest;
use super::database::variable;
use super::metadata::metadata;
use super::pod::{self, OUR_USER, SECRETS_DIR, Secrets, central, container, security, words};
use crate::fleet::names::{Component, child};
use crate::fleet::valid::{DatabaseRole, Fleet};

/// A database that has just started takes a while.
const TRIES: i32 = 6;

pub(super) fn migration(fleet: &Fleet) -> Job {
    let component = Component::Migration;
    let migrate = fleetd(
        fleet,
        "migrate",
        ["fleetd", "migrate"],
        DatabaseRole::Owner,
        &Resources::default(),
    );
    let template = pod::template(fleet, component, None, None, migrate);
    // A job cannot be changed: each image, and each way of starting it, has its own.
    let digest = template_digest(&template);
    let name = child(&fleet.name, &format!("migrate-{}", &digest[..8]));
    Job {
        metadata: metadata(fleet, name, component, None),
        spec: Some(JobSpec {
            backoff_limit: Some(TRIES),
            template,
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// A pod that does one thing with the database and ends.
pub(super) fn fleetd<const N: usize>(
    fleet: &Fleet,
    name: &str,
    command: [&str; N],
    role: DatabaseRole,
    resources: &Resources,
) -> PodSpec {
    let mut secrets = Secrets::default();
    let url = fleet.database_secret(role).unwrap_or_default();
    secrets.add(fleet, &url, &[]);
    let file = format!("{SECRETS_DIR}/{url}/url");
    let container = Container {
        command: Some(words(command)),
        env: Some(vec![variable("DATABASE_URL_FILE", &file)]),
        volume_mounts: Some(secrets.mounts),
        ..container(name, &fleet.image, resources)
    };
    PodSpec {
        containers: vec![container],
        volumes: Some(secrets.volumes),
        security_context: Some(security(OUR_USER)),
        restart_policy: Some("Never".to_owned()),
        affinity: Some(central(fleet)),
        ..PodSpec::default()
    }
}
