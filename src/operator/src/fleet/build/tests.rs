//! What is built, as people would write it; and what must hold for every pod.

use std::collections::{BTreeMap, BTreeSet};

use fleet_api::{Manifest, ResearchCollector};
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use serde::Serialize;

use super::{Credentials, Objects, build, generated};
use crate::fleet::valid::{Around, Fleet, FoundSecret, Secrets};

pub(in crate::fleet) const MINIMAL: &str = "
apiVersion: researchfleet.io/v1alpha1
kind: ResearchCollector
metadata: {name: study, namespace: science, uid: 6a3e, generation: 1}
spec:
  network: soulseek
  regions:
    - {name: here, credentialsSecretRef: {name: account}}
";

const EVERYTHING: &str = "
apiVersion: researchfleet.io/v1alpha1
kind: ResearchCollector
metadata: {name: study, namespace: science, uid: 6a3e, generation: 1}
spec:
  network: soulseek
  regions:
    - {name: here, credentialsSecretRef: {name: account-here}}
    - {name: us-west, credentialsSecretRef: {name: account-west}, location: hil, spool: {size: 20Gi, storageClassName: fast}}
    - {name: there, credentialsSecretRef: {name: account-there}, nodeSelector: {disk: ssd}, listen: {port: 61000, obfuscatedPort: 0}}
  privacy: {username: hmac, keySecretRef: {name: key}}
  canary: {credentialsSecretRef: {name: bird}}
  database:
    managed:
      resources: {requests: {memory: 4Gi}}
      backup: {keep: 3}
  archive:
    keepMonths: 2
    destination: {s3: {bucket: months, prefix: studies, endpoint: 'http://s3.example.org', credentialsSecretRef: {name: bucket}}}
  reports: {}
  infrastructure: {hetzner: {tokenSecretRef: {name: hetzner}}}
  image: registry.example.org/fleet:1
";

fn secrets() -> Secrets {
    let secret = |name: &str, values: &[(&str, &str)]| {
        let values = values.iter();
        let values = values.map(|(key, value)| ((*key).to_owned(), (*value).into()));
        let secret = FoundSecret {
            values: values.collect(),
            version: format!("{name}/1"),
        };
        (name.to_owned(), secret)
    };
    let account = |name: &'static str| secret(name, &[("username", name), ("password", "x")]);
    [
        account("account"),
        account("account-here"),
        account("account-west"),
        account("account-there"),
        account("bird"),
        secret("key", &[("key", "a key that is long enough for everybody")]),
        secret("hetzner", &[("token", "t")]),
        secret(
            "bucket",
            &[("access-key-id", "i"), ("secret-access-key", "s")],
        ),
    ]
    .into()
}

pub(in crate::fleet) fn fleet(yaml: &str) -> Fleet {
    let collector: ResearchCollector = serde_yaml::from_str(yaml).unwrap();
    let all = secrets();
    let named = collector.spec.secrets();
    let named = named
        .into_iter()
        .map(|name| (name.to_owned(), all[name].clone()));
    let around = Around {
        secrets: &named.collect(),
        others: &[],
        image: "fleet:test",
    };
    Fleet::validate(&collector, around).unwrap()
}

fn credentials() -> Credentials {
    let logins = ["postgres", "fleet_owner", "collector", "reader", "archiver"];
    let passwords = logins.map(|login| (login.to_owned(), format!("{login}-password").into()));
    Credentials {
        passwords: passwords.into(),
        authority: "AUTHORITY".to_owned(),
    }
}

fn objects(yaml: &str) -> Objects {
    build(&fleet(yaml), Some(&credentials()))
}

fn all<T: Serialize>(objects: &[T]) -> Vec<String> {
    let objects = objects.iter();
    let yaml = objects.map(|object| serde_yaml::to_string(object).unwrap());
    yaml.collect()
}

/// All of them as YAML documents, in the order in which they are written.
fn documents(objects: &Objects) -> String {
    let Objects {
        service_accounts,
        secrets,
        config_maps,
        services,
        network_policies,
        disruption_budgets,
        claims,
        databases,
        deployments,
        jobs,
        collectors,
        cron_jobs,
    } = objects;
    [
        all(service_accounts),
        all(secrets),
        all(config_maps),
        all(services),
        all(network_policies),
        all(disruption_budgets),
        all(claims),
        all(databases),
        all(deployments),
        all(jobs),
        all(collectors),
        all(cron_jobs),
    ]
    .concat()
    .join("---\n")
}

fn templates(objects: &Objects) -> Vec<&PodTemplateSpec> {
    let sets = objects.databases.iter().chain(&objects.collectors);
    let sets = sets.filter_map(|set| set.spec.as_ref().map(|spec| &spec.template));
    let deployments = objects.deployments.iter();
    let deployments =
        deployments.filter_map(|found| found.spec.as_ref().map(|spec| &spec.template));
    let jobs = objects.jobs.iter();
    let jobs = jobs.filter_map(|job| job.spec.as_ref().map(|spec| &spec.template));
    let runs = objects.cron_jobs.iter();
    let runs = runs.filter_map(|found| found.spec.job_template.spec.as_ref());
    let runs = runs.map(|spec| &spec.template);
    sets.chain(deployments).chain(jobs).chain(runs).collect()
}

#[test]
fn a_small_fleet() {
    insta::assert_snapshot!(documents(&objects(MINIMAL)));
}

#[test]
fn a_fleet_with_everything() {
    insta::assert_snapshot!(documents(&objects(EVERYTHING)));
}

#[test]
fn no_pod_may_more_than_it_needs() {
    for spec in [MINIMAL, EVERYTHING] {
        let objects = objects(spec);
        for template in templates(&objects) {
            let PodSpec {
                containers,
                security_context,
                automount_service_account_token,
                host_network,
                host_pid,
                ..
            } = template.spec.as_ref().unwrap();
            let pod = security_context.as_ref().unwrap();
            assert_eq!(pod.run_as_non_root, Some(true));
            assert_eq!(
                pod.seccomp_profile.as_ref().unwrap().type_,
                "RuntimeDefault"
            );
            assert_eq!(*automount_service_account_token, Some(false));
            assert_eq!((host_network, host_pid), (&None, &None));
            for container in containers {
                let security = container.security_context.as_ref().unwrap();
                assert_eq!(security.allow_privilege_escalation, Some(false));
                assert_eq!(security.read_only_root_filesystem, Some(true));
                assert_eq!(security.privileged, None);
                let capabilities = security.capabilities.as_ref().unwrap();
                assert_eq!(capabilities.drop.as_deref(), Some(&["ALL".to_owned()][..]));
                assert_eq!(capabilities.add, None);
            }
        }
    }
}

#[test]
fn what_a_pod_mounts_is_there() {
    let objects = objects(EVERYTHING);
    let fleet = fleet(EVERYTHING);
    let made = generated(&fleet).unwrap();
    let made = made
        .iter()
        .map(|made| made.secret.metadata.name.clone().unwrap());
    let written = objects
        .secrets
        .iter()
        .map(|secret| secret.metadata.name.clone().unwrap());
    let named = fleet
        .collector
        .spec
        .secrets()
        .into_iter()
        .map(str::to_owned);
    let secrets: BTreeSet<_> = made.chain(written).chain(named).collect();
    let maps = objects
        .config_maps
        .iter()
        .map(|map| map.metadata.name.clone().unwrap());
    let maps: BTreeSet<_> = maps.collect();
    let claims = objects
        .claims
        .iter()
        .map(|claim| claim.metadata.name.clone().unwrap());
    let claims: BTreeSet<_> = claims.collect();
    for template in templates(&objects) {
        let spec = template.spec.as_ref().unwrap();
        let mut volumes = BTreeSet::new();
        for volume in spec.volumes.iter().flatten() {
            volumes.insert(&volume.name);
            if let Some(secret) = &volume.secret {
                let name = secret.secret_name.as_ref().unwrap();
                assert!(secrets.contains(name), "no Secret {name}: {secrets:?}");
            }
            if let Some(map) = &volume.config_map {
                assert!(maps.contains(&map.name), "no ConfigMap {}", map.name);
            }
            if let Some(claim) = &volume.persistent_volume_claim {
                assert!(
                    claims.contains(&claim.claim_name),
                    "no volume {}",
                    claim.claim_name
                );
            }
        }
        for container in &spec.containers {
            for mount in container.volume_mounts.iter().flatten() {
                assert!(volumes.contains(&mount.name), "no volume {}", mount.name);
            }
        }
    }
}

#[test]
fn a_collector_starts_with_what_it_is_given() {
    let objects = objects(EVERYTHING);
    let specs: BTreeMap<_, _> = objects
        .config_maps
        .iter()
        .filter_map(|map| {
            Some((
                map.metadata.name.clone()?,
                map.data.as_ref()?.get("spec.yaml")?,
            ))
        })
        .collect();
    assert_eq!(specs.len(), 3);
    for (name, spec) in specs {
        let manifest = Manifest::parse(spec, &name).unwrap();
        let database = manifest.collector.spec.database.unwrap();
        let url = database.external.unwrap().url_secret_ref.name;
        assert_eq!(url, "study-database-writer");
        let first = &manifest.collector.spec.regions[0].name;
        assert_eq!(first, "here", "only the first sends canaries");
    }
}

#[test]
fn a_region_starts_again_only_when_it_has_to() {
    let digests = |yaml: &str| -> Vec<String> {
        let sets = objects(yaml).collectors.into_iter();
        let annotation = |set: k8s_openapi::api::apps::v1::StatefulSet| {
            set.metadata.annotations.unwrap()["researchfleet.io/template"].clone()
        };
        sets.map(annotation).collect()
    };
    let before = digests(EVERYTHING);
    let same = |change: (&str, &str)| {
        let after = digests(&EVERYTHING.replace(change.0, change.1));
        assert_ne!(EVERYTHING, EVERYTHING.replace(change.0, change.1));
        let pairs = before.iter().zip(after);
        pairs
            .map(|(before, after)| *before == after)
            .collect::<Vec<_>>()
    };
    assert_eq!(same(("keepMonths: 2", "keepMonths: 3")), [true, true, true]);
    assert_eq!(same(("size: 20Gi", "size: 30Gi")), [true, true, true]);
    assert_eq!(same(("port: 61000", "port: 61002")), [true, true, false]);
    assert_eq!(same(("fleet:1", "fleet:2")), [false, false, false]);
    assert_eq!(
        same(("username: hmac", "username: siv")),
        [false, false, false]
    );
    assert_eq!(
        same(("name: account-west", "name: account")),
        [true, false, true]
    );
}
