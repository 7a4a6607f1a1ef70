//! What is done from time to time: archives, figures, backups.

use fleet_api::names::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use fleet_api::{Amounts, Archive, Backup, Bucket, ManagedDatabase, Reports, Resources};
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, JobSpec, JobTemplateSpec};
use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec};
use kube::api::ObjectMeta;

use super::database::{DATABASE, POSTGRES_USER, placed, secret_key, variable};
use super::job::fleetd;
use super::metadata::metadata;
use super::pod::{self, claimed, container, mount, reading, scratch, secret, security, words};
use crate::fleet::names::{Component, child};
use crate::fleet::valid::{DatabaseRole, Fleet};

const HOUR: i64 = 3600;
const ARCHIVE_DIR: &str = "/var/lib/fleet/archive";

/// Months that are over, into files.
pub(super) fn archive(fleet: &Fleet) -> Option<CronJob> {
    let Archive {
        schedule,
        keep_months,
        format,
        destination: _,
        resources,
    } = fleet.archive()?;
    let role = DatabaseRole::Archiver;
    let mut spec = fleetd(fleet, "archive", ["fleetd", "archive"], role, resources);
    let container = spec.containers.first_mut()?;
    let destination = if let Some(bucket) = fleet.bucket() {
        let variables = container.env.get_or_insert_default();
        variables.extend(bucket_variables(bucket));
        let Bucket { bucket, prefix, .. } = bucket;
        let slash = if prefix.is_empty() { "" } else { "/" };
        format!("s3://{bucket}{slash}{prefix}")
    } else {
        let volume = child(&fleet.name, Component::Archive.as_str());
        let volumes = spec.volumes.get_or_insert_default();
        volumes.push(claimed("archive", volume));
        let mounts = container.volume_mounts.get_or_insert_default();
        mounts.push(mount("archive", ARCHIVE_DIR));
        ARCHIVE_DIR.to_owned()
    };
    container.args = Some(vec![
        format!("--destination={destination}"),
        format!("--keep-months={keep_months}"),
        format!("--format={}", format.as_str()),
    ]);
    // A long month takes hours, and what was cut off is carried on by the next run.
    Some(cron_job(
        fleet,
        Component::Archive,
        schedule,
        24 * HOUR,
        spec,
    ))
}

fn bucket_variables(bucket: &Bucket) -> Vec<EnvVar> {
    let Bucket {
        bucket: _,
        prefix: _,
        endpoint,
        region,
        credentials_secret_ref,
    } = bucket;
    let from = |variable: &str, key: &str| EnvVar {
        name: variable.to_owned(),
        value: None,
        value_from: Some(secret_key(&credentials_secret_ref.name, key)),
    };
    let mut variables = vec![
        from("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
        from("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
    ];
    if let Some(endpoint) = endpoint {
        variables.push(variable("AWS_ENDPOINT", endpoint));
        if endpoint.starts_with("http://") {
            variables.push(variable("AWS_ALLOW_HTTP", "true"));
        }
    }
    variables.extend(
        region
            .as_deref()
            .map(|region| variable("AWS_REGION", region)),
    );
    variables
}

/// The figures of days.
pub(super) fn reports(fleet: &Fleet) -> Option<CronJob> {
    let Reports { schedule } = fleet.reports()?;
    let resources = Resources {
        requests: Amounts {
            cpu: Some("50m".to_owned()),
            memory: Some("128Mi".to_owned()),
        },
        limits: Amounts {
            cpu: None,
            memory: Some("384Mi".to_owned()),
        },
    };
    let role = DatabaseRole::Archiver;
    let spec = fleetd(fleet, "report", ["fleetd", "report"], role, &resources);
    Some(cron_job(fleet, Component::Report, schedule, HOUR, spec))
}

/// Copies of the whole database.
pub(super) fn backup(fleet: &Fleet, managed: &ManagedDatabase) -> Option<CronJob> {
    let Backup {
        schedule,
        keep,
        volume: _,
    } = managed.backup.as_ref()?;
    let component = Component::Backup;
    let owner = fleet.database_secret(DatabaseRole::Owner)?;
    let container = Container {
        command: Some(words(["bash", "-c", include_str!("backup.sh"), "backup"])),
        env: Some(vec![
            variable("KEEP", &keep.to_string()),
            variable("PGHOST", &child(&fleet.name, "database")),
            variable("PGDATABASE", DATABASE),
            variable("PGUSER", DatabaseRole::Owner.login()),
            variable("PGSSLMODE", "verify-full"),
            variable("PGSSLROOTCERT", "/etc/fleet/owner/ca.crt"),
            EnvVar {
                name: "PGPASSWORD".to_owned(),
                value: None,
                value_from: Some(secret_key(&owner, "password")),
            },
        ]),
        volume_mounts: Some(vec![
            mount("backup", "/backup"),
            reading("owner", "/etc/fleet/owner"),
            mount("tmp", "/tmp"),
        ]),
        ..container("backup", &managed.image, &Resources::default())
    };
    let spec = PodSpec {
        containers: vec![container],
        volumes: Some(vec![
            claimed("backup", child(&fleet.name, component.as_str())),
            secret("owner", &owner, &["ca.crt"]),
            scratch("tmp"),
        ]),
        security_context: Some(security(POSTGRES_USER)),
        restart_policy: Some("Never".to_owned()),
        ..placed(fleet, managed)
    };
    Some(cron_job(fleet, component, schedule, 12 * HOUR, spec))
}

/// `longest` in seconds; a run that takes longer is ended.
fn cron_job(
    fleet: &Fleet,
    component: Component,
    schedule: &str,
    longest: i64,
    spec: PodSpec,
) -> CronJob {
    CronJob {
        metadata: metadata(
            fleet,
            child(&fleet.name, component.as_str()),
            component,
            None,
        ),
        spec: CronJobSpec {
            schedule: schedule.to_owned(),
            time_zone: Some("Etc/UTC".to_owned()),
            // Two at a time would wait for each other.
            concurrency_policy: Some("Forbid".to_owned()),
            starting_deadline_seconds: Some(HOUR),
            successful_jobs_history_limit: Some(1),
            failed_jobs_history_limit: Some(3),
            job_template: JobTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(component.labels(&fleet.name, None)),
                    ..ObjectMeta::default()
                }),
                spec: Some(JobSpec {
                    backoff_limit: Some(3),
                    active_deadline_seconds: Some(longest),
                    template: pod::template(fleet, component, None, None, spec),
                    ..JobSpec::default()
                }),
            },
            ..CronJobSpec::default()
        },
        status: None,
    }
}
