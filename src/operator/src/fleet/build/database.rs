//! The database: the official image of `PostgreSQL`, with TLS, and settings for many small inserts.

use fleet_api::{ManagedDatabase, quantity};
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, Container, EnvVar, EnvVarSource, ExecAction, PodSpec, Probe, SecretKeySelector,
};

use super::collector::config_volume;
use super::database_claim;
use super::metadata::metadata;
use super::pod::{
    self, central, claimed, container, mount, port, reading, scratch, secret, security, words,
};
use super::secret as credentials;
use super::service::DATABASE_PORT;
use crate::fleet::names::{Component, child, digest};
use crate::fleet::valid::Fleet;

/// The user `postgres` of the official image (Debian).
pub(super) const POSTGRES_USER: i64 = 999;
/// The database of all records.
pub(super) const DATABASE: &str = "fleet";
const TLS_DIR: &str = "/etc/fleet/tls";
const LOGINS_DIR: &str = "/etc/fleet/logins";
/// A checkpoint of a large database takes a while.
const GRACE_SECONDS: i64 = 120;

pub(super) fn stateful_set(
    fleet: &Fleet,
    managed: &ManagedDatabase,
    scripts: &ConfigMap,
) -> StatefulSet {
    let component = Component::Database;
    let name = child(&fleet.name, component.as_str());
    let logins = credentials::logins_name(&fleet.name);
    let volumes = vec![
        claimed("data", database_claim(&fleet.name)),
        config_volume("scripts", scripts),
        secret(
            "tls",
            &credentials::tls_name(&fleet.name),
            &["tls.crt", "tls.key"],
        ),
        secret("logins", &logins, &[]),
        scratch("run"),
        scratch("tmp"),
    ];
    let mounts = vec![
        mount("data", "/var/lib/postgresql/data"),
        reading("scripts", "/docker-entrypoint-initdb.d"),
        reading("tls", TLS_DIR),
        reading("logins", LOGINS_DIR),
        mount("run", "/var/run/postgresql"),
        mount("tmp", "/tmp"),
    ];
    let postgres = Container {
        args: Some(arguments(managed)),
        env: Some(vec![
            variable("PGDATA", "/var/lib/postgresql/data/pgdata"),
            variable(
                "POSTGRES_INITDB_ARGS",
                "--data-checksums --auth-host=scram-sha-256",
            ),
            EnvVar {
                name: "POSTGRES_PASSWORD".to_owned(),
                value_from: Some(secret_key(&logins, "postgres")),
                value: None,
            },
        ]),
        ports: Some(vec![port("postgres", DATABASE_PORT)]),
        volume_mounts: Some(mounts),
        startup_probe: Some(is_ready(2, 150)),
        liveness_probe: Some(is_ready(10, 6)),
        readiness_probe: Some(is_ready(5, 2)),
        ..container("postgres", &managed.image, &managed.resources)
    };
    let scripts = scripts.data.iter().flat_map(|data| data.values());
    let scripts: Vec<_> = scripts.map(String::as_str).collect();
    let spec = PodSpec {
        containers: vec![postgres],
        volumes: Some(volumes),
        security_context: Some(security(POSTGRES_USER)),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        ..placed(fleet, managed)
    };
    StatefulSet {
        metadata: metadata(fleet, name, component, None),
        spec: Some(StatefulSetSpec {
            replicas: Some(1),
            service_name: Some(child(&fleet.name, "database-pods")),
            selector: component.label_selector(&fleet.name, None),
            pod_management_policy: Some("Parallel".to_owned()),
            template: pod::template(fleet, component, None, Some(&digest(&scripts)), spec),
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}

/// Where the spec says, else with the control plane.
pub(super) fn placed(fleet: &Fleet, managed: &ManagedDatabase) -> PodSpec {
    let selector = &managed.node_selector;
    PodSpec {
        node_selector: (!selector.is_empty()).then(|| selector.clone()),
        affinity: selector.is_empty().then(|| central(fleet)),
        ..PodSpec::default()
    }
}

/// A quarter of the memory for buffers, as the manual advises; few checkpoints; archives scan by the BRIN index.
/// <https://www.postgresql.org/docs/current/runtime-config-resource.html>
fn arguments(managed: &ManagedDatabase) -> Vec<String> {
    let memory = managed.resources.requests.memory.as_deref();
    let memory = memory.and_then(quantity).unwrap_or(1024.0 * MIB) / MIB;
    let buffers = megabytes(memory / 4.0, 128);
    let cache = megabytes(memory / 2.0, 256);
    let settings = [
        "ssl=on".to_owned(),
        format!("ssl_cert_file={TLS_DIR}/tls.crt"),
        format!("ssl_key_file={TLS_DIR}/tls.key"),
        "ssl_min_protocol_version=TLSv1.2".to_owned(),
        "password_encryption=scram-sha-256".to_owned(),
        format!("shared_buffers={buffers}MB"),
        format!("effective_cache_size={cache}MB"),
        "maintenance_work_mem=64MB".to_owned(),
        "max_connections=100".to_owned(),
        "wal_compression=on".to_owned(),
        "max_wal_size=2GB".to_owned(),
        "checkpoint_timeout=15min".to_owned(),
        "checkpoint_completion_target=0.9".to_owned(),
        "idle_in_transaction_session_timeout=5min".to_owned(),
        "timezone=UTC".to_owned(),
    ];
    let settings = settings.into_iter().flat_map(|set| ["-c".to_owned(), set]);
    settings.collect()
}

const MIB: f64 = 1_048_576.0;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an amount is positive, and what is too large for a number of megabytes is clamped"
)]
fn megabytes(amount: f64, least: u64) -> u64 {
    (amount as u64).max(least)
}

fn is_ready(period: i32, failures: i32) -> Probe {
    Probe {
        exec: Some(ExecAction {
            command: Some(words([
                "pg_isready",
                "--quiet",
                "--host=/var/run/postgresql",
            ])),
        }),
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}

pub(super) fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    }
}

/// A value for the environment of a container.
pub(super) fn secret_key(secret: &str, key: &str) -> EnvVarSource {
    EnvVarSource {
        secret_key_ref: Some(SecretKeySelector {
            name: secret.to_owned(),
            key: key.to_owned(),
            optional: None,
        }),
        ..EnvVarSource::default()
    }
}
