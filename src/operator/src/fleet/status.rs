//! The last step: how a fleet is, from what was found. Pure.

use std::collections::BTreeMap;

use fleet_api::conditions::{
    ARCHIVE_HEALTHY, COLLECTORS_READY, DATABASE_READY, PROGRESSING, READY, SERVERS_READY, reasons,
};
use fleet_api::{Region, RegionPhase, RegionStatus, ResearchCollector, ResearchCollectorStatus};
use fleet_hetzner::Money;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

use super::archive_health::archive_health;
use super::found::{Found, JobState, trouble};
use super::names::{self, Component};
use super::rates::{Rate, two_digits};
use super::rollout::{Progress, records};
use super::servers::Answer;
use super::valid::Fleet;
use crate::keeper::{KeptState, RegionServer, ServerPhase};

/// One aspect of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Aspect {
    /// True, False or Unknown.
    pub(crate) status: &'static str,
    /// One word.
    pub(crate) reason: &'static str,
    /// For people.
    pub(crate) message: String,
}

impl Aspect {
    /// It is so.
    pub(crate) fn yes(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: "True",
            reason,
            message: message.into(),
        }
    }

    /// It is not so.
    pub(crate) fn no(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: "False",
            reason,
            message: message.into(),
        }
    }

    /// Nobody knows.
    pub(crate) fn unknown(message: impl Into<String>) -> Self {
        Self {
            status: "Unknown",
            reason: reasons::IN_PROGRESS,
            message: message.into(),
        }
    }

    fn is_true(&self) -> bool {
        self.status == "True"
    }
}

/// What a look at a fleet came to.
#[derive(Debug)]
pub(crate) struct Looked<'l> {
    /// What is there.
    pub(crate) found: &'l Found,
    /// How the rollout goes.
    pub(crate) progress: &'l Progress,
    /// What is with the servers.
    pub(crate) servers: &'l Answer,
    /// The migration's job, if there is one.
    pub(crate) migration: Option<&'l str>,
    /// What regions record, by name.
    pub(crate) rates: &'l BTreeMap<String, Rate>,
    /// What the cluster refused.
    pub(crate) refused: Option<&'l str>,
    /// What is gone and cannot be made again.
    pub(crate) gone: &'l [String],
    /// The time.
    pub(crate) now: Timestamp,
}

/// The status of a fleet that was looked at.
pub(crate) fn status(fleet: &Fleet, looked: &Looked<'_>) -> ResearchCollectorStatus {
    let regions: Vec<_> = fleet
        .regions()
        .iter()
        .map(|region| region_status(fleet, region, looked))
        .collect();
    let servers = servers(fleet, looked);
    let database = database(fleet, looked);
    let collectors = collectors(fleet, &regions, looked);
    let archive = archive_health(fleet, looked);
    let progressing = progressing(looked, &servers, &database);
    let ready = ready(
        &[&servers, &database, &collectors, &archive],
        looked.refused,
    );
    let recording = regions
        .iter()
        .filter(|region| region.phase == RegionPhase::Recording);
    let recording = recording.count();
    let kept = looked.servers.as_ref().and_then(|kept| kept.as_ref().ok());
    let archived = looked
        .found
        .cron_jobs
        .get(&names::child(&fleet.name, "archive"))
        .and_then(|job| job.status.as_ref()?.last_successful_time.clone());
    let conditions = [
        (READY, ready),
        (PROGRESSING, progressing),
        (SERVERS_READY, servers),
        (DATABASE_READY, database),
        (COLLECTORS_READY, collectors),
        (ARCHIVE_HEALTHY, archive),
    ];
    ResearchCollectorStatus {
        observed_generation: fleet.collector.metadata.generation,
        conditions: merge(&fleet.collector, conditions, looked.now),
        recording: Some(format!("{recording}/{}", regions.len())),
        searches_per_second: total(&regions),
        last_archive: archived.map(|time| time.0.to_string()),
        monthly_cost: kept.and_then(|kept| kept.monthly).map(cost),
        regions,
    }
}

/// The status of a fleet that could not be looked at: one thing is in the way of all.
pub(crate) fn blocked(
    collector: &ResearchCollector,
    reason: &'static str,
    message: &str,
    now: Timestamp,
) -> ResearchCollectorStatus {
    let before = collector.status.clone().unwrap_or_default();
    let aspects = [
        (READY, Aspect::no(reason, message)),
        (PROGRESSING, Aspect::no(reason, message)),
    ];
    let mut conditions = merge(collector, aspects, now);
    for kind in [
        SERVERS_READY,
        DATABASE_READY,
        COLLECTORS_READY,
        ARCHIVE_HEALTHY,
    ] {
        let said = before.conditions.iter().find(|said| said.type_ == kind);
        if let Some(said) = said {
            // What runs goes on running, so the others keep what they said.
            conditions.push(Condition {
                observed_generation: collector.metadata.generation,
                ..said.clone()
            });
        } else {
            let unknown = (kind, Aspect::unknown("not looked at yet"));
            conditions.extend(merge(collector, [unknown], now));
        }
    }
    ResearchCollectorStatus {
        observed_generation: collector.metadata.generation,
        conditions,
        ..before
    }
}

/// New conditions, with the time of the old ones where nothing has changed.
fn merge<const N: usize>(
    collector: &ResearchCollector,
    aspects: [(&str, Aspect); N],
    now: Timestamp,
) -> Vec<Condition> {
    let before = collector
        .status
        .iter()
        .flat_map(|status| &status.conditions);
    let before: BTreeMap<_, _> = before
        .map(|condition| (condition.type_.as_str(), condition))
        .collect();
    // The API server keeps whole seconds.
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let merged = aspects.map(|(kind, aspect)| {
        let Aspect {
            status,
            reason,
            message,
        } = aspect;
        let old = before.get(kind).filter(|old| old.status == status);
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message,
            observed_generation: collector.metadata.generation,
            last_transition_time: old.map_or(Time(now), |old| old.last_transition_time.clone()),
        }
    });
    merged.into()
}

fn ready(aspects: &[&Aspect], refused: Option<&str>) -> Aspect {
    if let Some(refused) = refused {
        return Aspect::no(reasons::REFUSED, refused);
    }
    // What is wrong tells more than what only takes its time.
    let wrong = aspects.iter().filter(|aspect| !aspect.is_true());
    let worst = wrong.min_by_key(|aspect| {
        (
            aspect.reason == reasons::IN_PROGRESS,
            aspect.status == "Unknown",
        )
    });
    match worst {
        None => Aspect::yes(reasons::AS_WANTED, "all is as the spec wants it"),
        Some(aspect) => Aspect {
            status: if aspect.status == "Unknown" {
                "Unknown"
            } else {
                "False"
            },
            reason: aspect.reason,
            message: aspect.message.clone(),
        },
    }
}

fn progressing(looked: &Looked<'_>, servers: &Aspect, database: &Aspect) -> Aspect {
    let moving = [servers, database]
        .into_iter()
        .find(|aspect| aspect.reason == reasons::IN_PROGRESS);
    match (looked.progress, moving) {
        (Progress::Stopped(silent), _) => Aspect::no(reasons::ROLLOUT_STOPPED, stopped(silent)),
        (_, Some(aspect)) => Aspect::yes(reasons::IN_PROGRESS, aspect.message.clone()),
        (Progress::Migrating, _) => {
            Aspect::yes(reasons::IN_PROGRESS, "collectors wait for the migration")
        }
        (Progress::Waiting(names), _) => Aspect::yes(
            reasons::IN_PROGRESS,
            format!("waiting until {} records", names.join(", ")),
        ),
        (Progress::Done, None) => Aspect::no(reasons::AS_WANTED, "nothing is being changed"),
    }
}

fn stopped(silent: &[String]) -> String {
    format!(
        "{} was updated and records nothing; the others keep what they have until it does, or until the spec changes",
        silent.join(", ")
    )
}

fn servers(fleet: &Fleet, looked: &Looked<'_>) -> Aspect {
    let Some(infrastructure) = &fleet.collector.spec.infrastructure else {
        return Aspect::yes(
            reasons::NOT_WANTED,
            "the fleet runs on nodes that are there",
        );
    };
    if infrastructure.hetzner.token_secret_ref.is_none() {
        return Aspect::yes(
            reasons::NOT_WANTED,
            "without infrastructure.hetzner.tokenSecretRef servers are kept by `fleetctl deploy` alone",
        );
    }
    match looked.servers {
        None => Aspect {
            status: "False",
            ..Aspect::unknown("the servers are being looked at")
        },
        Some(Err(error)) => Aspect::no(reasons::CLUSTER_ERROR, error.clone()),
        Some(Ok(kept)) => match &kept.state {
            KeptState::Ready => Aspect::yes(reasons::AS_WANTED, "all servers are there"),
            KeptState::InProgress(message) => Aspect::no(reasons::IN_PROGRESS, message.clone()),
            KeptState::Problem { reason, message } => Aspect::no(reason, message.clone()),
        },
    }
}

fn database(fleet: &Fleet, looked: &Looked<'_>) -> Aspect {
    if !looked.gone.is_empty() {
        let message = format!(
            "the Secret {} is gone, and the data that was made with it is there: restore it, or delete the data's volume",
            looked.gone.join(", ")
        );
        return Aspect::no(reasons::SECRET_MISSING, message);
    }
    if fleet.external().is_some() {
        return Aspect::yes(reasons::AS_WANTED, "somebody else runs the database");
    }
    if fleet.managed().is_none() {
        return Aspect::yes(reasons::NOT_WANTED, "records stay in the spools");
    }
    if let Some(stuck) = stuck_volume(looked.found) {
        return Aspect::no(reasons::VOLUME_STUCK, stuck);
    }
    let found = looked.found;
    let name = names::child(&fleet.name, "database");
    let pod = found.pods.get(&format!("{name}-0"));
    if !found.database_ready(&name) {
        let trouble = pod.and_then(|pod| trouble(pod));
        return match trouble {
            Some(trouble) => Aspect::no(reasons::UNAVAILABLE, format!("the database: {trouble}")),
            None => Aspect::no(reasons::IN_PROGRESS, "the database starts"),
        };
    }
    let migration = looked.migration.map(|name| found.job(name));
    match migration {
        Some(JobState::Complete) => {}
        Some(JobState::Failed { message, .. }) => {
            let message = format!("the tables could not be brought to this version: {message}");
            return Aspect::no(reasons::MIGRATION_FAILED, message);
        }
        _ => return Aspect::no(reasons::IN_PROGRESS, "the tables are made, or changed"),
    }
    if fleet.pooled() && !found.deployed(&names::child(&fleet.name, "pooler")) {
        let trouble = found.pods_of(Component::Pooler).find_map(trouble);
        return match trouble {
            Some(trouble) => Aspect::no(reasons::UNAVAILABLE, format!("the pooler: {trouble}")),
            None => Aspect::no(reasons::IN_PROGRESS, "the pooler starts"),
        };
    }
    Aspect::yes(reasons::AS_WANTED, "the database takes records")
}

/// A volume that does not become what it should.
fn stuck_volume(found: &Found) -> Option<String> {
    found.claims.values().find_map(|claim| {
        let status = claim.status.as_ref()?;
        let failed = status.allocated_resource_statuses.as_ref()?;
        let failed = failed.values().find(|state| state.contains("Infeasible"))?;
        Some(format!(
            "the volume {} cannot grow: {failed}",
            claim.name_any()
        ))
    })
}

fn collectors(fleet: &Fleet, regions: &[RegionStatus], looked: &Looked<'_>) -> Aspect {
    if fleet.collector.spec.suspend {
        return Aspect::no(reasons::SUSPENDED, "the spec says that collection rests");
    }
    if let Progress::Stopped(silent) = looked.progress {
        return Aspect::no(reasons::ROLLOUT_STOPPED, stopped(silent));
    }
    let silent: Vec<_> = regions
        .iter()
        .filter(|region| region.phase != RegionPhase::Recording)
        .collect();
    if silent.is_empty() {
        return match looked.progress {
            // Some record as they did before the spec changed.
            Progress::Waiting(names) => Aspect::no(
                reasons::IN_PROGRESS,
                format!("waiting until {} records", names.join(", ")),
            ),
            _ => Aspect::yes(reasons::AS_WANTED, "every region records"),
        };
    }
    let failed = silent
        .iter()
        .any(|region| region.phase == RegionPhase::Failed);
    let reason = if failed {
        reasons::UNAVAILABLE
    } else {
        reasons::IN_PROGRESS
    };
    let said = silent.iter().map(|region| {
        let message = region.message.as_deref().unwrap_or("on its way");
        format!("{}: {message}", region.name)
    });
    Aspect::no(reason, said.collect::<Vec<_>>().join("; "))
}

fn region_status(fleet: &Fleet, region: &Region, looked: &Looked<'_>) -> RegionStatus {
    let kept = looked.servers.as_ref().and_then(|kept| kept.as_ref().ok());
    let server = kept.and_then(|kept| kept.servers.get(&region.name));
    let pod = looked.found.collector_pod(&region.name);
    let rate = looked.rates.get(&region.name).cloned().unwrap_or_default();
    let (phase, message) = phase(fleet, region, looked, server);
    RegionStatus {
        name: region.name.clone(),
        server: server.and_then(|server| server.status.clone()),
        node: pod.and_then(|pod| pod.spec.as_ref()?.node_name.clone()),
        searches_per_second: rate.per_second.filter(|_| phase == RegionPhase::Recording),
        last_record_time: rate.last_record,
        phase,
        message,
    }
}

fn phase(
    fleet: &Fleet,
    region: &Region,
    looked: &Looked<'_>,
    server: Option<&RegionServer>,
) -> (RegionPhase, Option<String>) {
    let name = names::collector(&fleet.name, &region.name);
    let set = looked.found.stateful_sets.get(&name);
    if fleet.collector.spec.suspend {
        return (RegionPhase::Suspended, None);
    }
    if set.is_some_and(|set| records(set)) {
        return (RegionPhase::Recording, None);
    }
    if let Some(server) = server {
        let message = server.message.clone();
        match server.phase {
            ServerPhase::Provisioning => {
                let message = message.or_else(|| Some("its server is made".to_owned()));
                return (RegionPhase::Provisioning, message);
            }
            ServerPhase::Joining => {
                let message = message.or_else(|| Some("its server joins the cluster".to_owned()));
                return (RegionPhase::Joining, message);
            }
            ServerPhase::Failed => return (RegionPhase::Failed, message),
            ServerPhase::Ready => {}
        }
    } else if region.location.is_some() && looked.servers.is_none() {
        return (RegionPhase::Pending, None);
    }
    let pod = looked.found.collector_pod(&region.name);
    match pod.and_then(trouble) {
        Some(trouble) => (RegionPhase::Failed, Some(trouble)),
        None if set.is_none() => (
            RegionPhase::Pending,
            Some("its collector is about to be made".to_owned()),
        ),
        None => (
            RegionPhase::Starting,
            Some("its collector starts, or hears no searches".to_owned()),
        ),
    }
}

fn total(regions: &[RegionStatus]) -> Option<String> {
    let rates = regions.iter();
    let rates: Vec<f64> = rates
        .filter_map(|region| region.searches_per_second.as_ref()?.parse().ok())
        .collect();
    (!rates.is_empty()).then(|| two_digits(rates.iter().sum()))
}

fn cost(money: Money) -> String {
    format!("{money} EUR")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::build::tests::{MINIMAL, fleet};

    fn servers_of(yaml: &str) -> Aspect {
        let looked = Looked {
            found: &Found::default(),
            progress: &Progress::Done,
            servers: &None,
            migration: None,
            rates: &BTreeMap::new(),
            refused: None,
            gone: &[],
            now: Timestamp::UNIX_EPOCH,
        };
        servers(&fleet(yaml), &looked)
    }

    #[test]
    fn servers_that_only_fleetctl_keeps_are_not_waited_for() {
        let hetzner =
            |fields: &str| format!("{MINIMAL}  infrastructure: {{hetzner: {{{fields}}}}}\n");
        let kept = servers_of(&hetzner("tokenSecretRef: {name: hetzner}"));
        assert_eq!((kept.status, kept.reason), ("False", reasons::IN_PROGRESS));
        let left = servers_of(&hetzner(""));
        assert_eq!((left.status, left.reason), ("True", reasons::NOT_WANTED));
        assert!(left.message.contains("fleetctl deploy"), "{}", left.message);
        assert_eq!(servers_of(MINIMAL).status, "True");
    }
}
