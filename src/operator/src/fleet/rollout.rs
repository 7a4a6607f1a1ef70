//! Which collectors get a new template now. Pure.
//!
//! A region that records is updated only when every region that was updated before records again. Regions that record
//! nothing go first: there is nothing to lose, and what was changed may be what heals them. None is updated before the
//! tables are those of its version.

use std::collections::BTreeMap;

use fleet_api::Rollout;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::ResourceExt as _;

use super::names::{TEMPLATE, UPDATED};

/// What becomes of the collectors.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rolled {
    /// As they are to be written, by the region's name. Those that have to wait for something are not here.
    pub(crate) collectors: Vec<StatefulSet>,
    /// How it goes on.
    pub(crate) progress: Progress,
}

/// How it goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Progress {
    /// All have what the spec wants.
    #[default]
    Done,
    /// The tables are not those of this version yet.
    Migrating,
    /// These have been updated and record nothing yet; others wait for them.
    Waiting(Vec<String>),
    /// These have been updated and record nothing, for too long.
    Stopped(Vec<String>),
}

/// What is decided with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// In which order.
    pub(crate) rollout: Rollout,
    /// How long an updated region may take.
    pub(crate) deadline: SignedDuration,
    /// Whether the tables are those of this version.
    pub(crate) migrated: bool,
    /// The time.
    pub(crate) now: Timestamp,
}

/// Decides. `wanted` are collectors as the spec wants them, `live` those that are there.
pub(crate) fn roll(
    wanted: Vec<StatefulSet>,
    live: &BTreeMap<String, &StatefulSet>,
    rules: Rules,
) -> Rolled {
    let of = |set: &StatefulSet| live.get(&set.name_any()).copied();
    let state: Vec<_> = wanted
        .iter()
        .map(|set| State::of(set, of(set), rules))
        .collect();
    let named = |state_is: State| {
        let sets = wanted.iter().zip(&state);
        let sets = sets.filter(|(_, state)| **state == state_is);
        sets.map(|(set, _)| set.name_any()).collect::<Vec<_>>()
    };
    let (late, waiting) = (named(State::Late), named(State::Waiting));
    let outdated = |recording| State::Outdated { recording };
    let is_next = |state: &State| match rules.rollout {
        _ if !rules.migrated => false,
        Rollout::AllAtOnce => true,
        Rollout::OneRegionAtATime => {
            waiting.is_empty() && (*state == outdated(false) || late.is_empty())
        }
    };
    // What records nothing first.
    let order = [outdated(false), outdated(true)];
    let next = order
        .iter()
        .find_map(|wanted| state.iter().position(|state| state == wanted));
    let next = next.filter(|index| is_next(&state[*index]));
    let remaining = state
        .iter()
        .any(|state| matches!(state, State::Outdated { .. }));
    let progress = if !rules.migrated && remaining {
        Progress::Migrating
    } else if remaining && next.is_none() && waiting.is_empty() {
        Progress::Stopped(late)
    } else if !waiting.is_empty() {
        Progress::Waiting(waiting)
    } else if let (true, Some(next)) = (remaining, next) {
        Progress::Waiting(vec![wanted[next].name_any()])
    } else {
        Progress::Done
    };

    let all = rules.rollout == Rollout::AllAtOnce;
    let collectors = wanted.into_iter().zip(state).enumerate();
    let collectors = collectors.filter_map(|(index, (set, state))| match (state, of(&set)) {
        // What it hears before the tables are there waits in its spool.
        (State::New, _) => Some(updated(set, rules.now)),
        (State::Outdated { .. }, _) if rules.migrated && (all || next == Some(index)) => {
            Some(updated(set, rules.now))
        }
        (State::Outdated { .. }, Some(live)) => Some(held(set, live)),
        (_, Some(live)) => Some(kept(set, live, rules.now)),
        (_, None) => None,
    });
    Rolled {
        collectors: collectors.collect(),
        progress,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is not there.
    New,
    /// It has another template than it should have.
    Outdated { recording: bool },
    /// It has its template and records.
    Good,
    /// It has its template and does not record yet.
    Waiting,
    /// It has its template, and has not recorded for too long.
    Late,
}

impl State {
    fn of(wanted: &StatefulSet, live: Option<&StatefulSet>, rules: Rules) -> Self {
        let Some(live) = live else {
            return Self::New;
        };
        let recording = records(live);
        if annotation(wanted, TEMPLATE) != annotation(live, TEMPLATE) {
            return Self::Outdated { recording };
        }
        let rests = wanted.spec.as_ref().and_then(|spec| spec.replicas) == Some(0);
        if recording || rests {
            return Self::Good;
        }
        let since = annotation(live, UPDATED).and_then(|at| at.parse::<Timestamp>().ok());
        let late = since.is_none_or(|since| rules.now.duration_since(since) > rules.deadline);
        if late { Self::Late } else { Self::Waiting }
    }
}

/// Whether the pod of the newest template is there and ready.
pub(crate) fn records(set: &StatefulSet) -> bool {
    let Some(status) = &set.status else {
        return false;
    };
    let seen = status.observed_generation >= set.metadata.generation;
    let newest = status.update_revision.is_none()
        || status.current_revision == status.update_revision
        || status.updated_replicas.unwrap_or_default() >= 1;
    seen && newest && status.ready_replicas.unwrap_or_default() >= 1
}

fn annotation<'s>(set: &'s StatefulSet, key: &str) -> Option<&'s str> {
    let annotations = set.metadata.annotations.as_ref()?;
    annotations.get(key).map(String::as_str)
}

fn annotate(set: &mut StatefulSet, key: &str, value: String) {
    let annotations = set.metadata.annotations.get_or_insert_default();
    annotations.insert(key.to_owned(), value);
}

/// With the new template, from now on.
fn updated(mut set: StatefulSet, now: Timestamp) -> StatefulSet {
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    annotate(&mut set, UPDATED, now);
    set
}

/// With the template that it has.
fn kept(mut set: StatefulSet, live: &StatefulSet, now: Timestamp) -> StatefulSet {
    match annotation(live, UPDATED) {
        Some(since) => annotate(&mut set, UPDATED, since.to_owned()),
        None => return updated(set, now),
    }
    set
}

/// With the old template; other changes go through.
fn held(set: StatefulSet, live: &StatefulSet) -> StatefulSet {
    let mut set = set;
    for key in [TEMPLATE, UPDATED] {
        if let Some(value) = annotation(live, key) {
            annotate(&mut set, key, value.to_owned());
        }
    }
    if let (Some(spec), Some(live)) = (&mut set.spec, &live.spec) {
        spec.template = live.template.clone();
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::apps::v1::{StatefulSetSpec, StatefulSetStatus};
    use kube::api::ObjectMeta;

    fn set(name: &str, template: &str) -> StatefulSet {
        let mut set = StatefulSet {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            },
            spec: Some(StatefulSetSpec {
                replicas: Some(1),
                ..StatefulSetSpec::default()
            }),
            status: None,
        };
        annotate(&mut set, TEMPLATE, template.to_owned());
        set
    }

    fn live(name: &str, template: &str, ready: bool, minutes: i64) -> StatefulSet {
        let mut set = set(name, template);
        let since = now() - SignedDuration::from_mins(minutes);
        annotate(&mut set, UPDATED, since.to_string());
        set.status = Some(StatefulSetStatus {
            ready_replicas: Some(i32::from(ready)),
            ..StatefulSetStatus::default()
        });
        set
    }

    fn now() -> Timestamp {
        "2026-11-26T12:00:00Z".parse().unwrap()
    }

    fn rules() -> Rules {
        Rules {
            rollout: Rollout::OneRegionAtATime,
            deadline: SignedDuration::from_mins(15),
            migrated: true,
            now: now(),
        }
    }

    /// Who has the new template after one decision, and how it goes on.
    fn decide(live: &[StatefulSet], rules: Rules) -> (Vec<String>, Progress) {
        let wanted = ["a", "b", "c"].map(|name| set(name, "new")).into();
        let live = live.iter().map(|set| (set.name_any(), set)).collect();
        let rolled = roll(wanted, &live, rules);
        let new = rolled.collectors.iter();
        let new = new.filter(|set| annotation(set, TEMPLATE) == Some("new"));
        (
            new.map(kube::ResourceExt::name_any).collect(),
            rolled.progress,
        )
    }

    #[test]
    fn new_regions_begin_at_once() {
        let (new, progress) = decide(&[], rules());
        assert_eq!((new.len(), progress), (3, Progress::Done));
    }

    #[test]
    fn one_region_after_the_other_and_each_must_record() {
        let mut world = ["a", "b", "c"].map(|name| live(name, "old", true, 60));
        let (new, progress) = decide(&world, rules());
        assert_eq!(new, ["a"]);
        assert_eq!(progress, Progress::Waiting(vec!["a".to_owned()]));
        world[0] = live("a", "new", false, 1);
        assert_eq!(decide(&world, rules()).0, ["a"], "b waits for a");
        world[0] = live("a", "new", true, 2);
        assert_eq!(decide(&world, rules()).0, ["a", "b"]);
        world[1] = live("b", "new", true, 2);
        world[2] = live("c", "new", true, 2);
        assert_eq!(decide(&world, rules()).1, Progress::Done);
    }

    #[test]
    fn a_region_that_stays_silent_stops_the_rollout() {
        let world = [
            live("a", "new", false, 16),
            live("b", "old", true, 60),
            live("c", "old", true, 60),
        ];
        let (new, progress) = decide(&world, rules());
        assert_eq!(new, ["a"]);
        assert_eq!(progress, Progress::Stopped(vec!["a".to_owned()]));
    }

    #[test]
    fn what_records_nothing_is_mended_first() {
        let world = [
            live("a", "new", false, 16),
            live("b", "old", true, 60),
            live("c", "broken", false, 60),
        ];
        let (new, progress) = decide(&world, rules());
        assert_eq!(new, ["a", "c"]);
        assert_eq!(progress, Progress::Waiting(vec!["c".to_owned()]));
    }

    #[test]
    fn nothing_rolls_before_the_tables_are_right() {
        // But for those that begin: what they hear waits.
        let world = [live("a", "old", true, 60), live("b", "old", false, 60)];
        let mut rules = rules();
        rules.migrated = false;
        let begun = vec!["c".to_owned()];
        assert_eq!(decide(&world, rules), (begun, Progress::Migrating));
        rules.migrated = true;
        rules.rollout = Rollout::AllAtOnce;
        assert_eq!(decide(&world, rules).0.len(), 3);
    }
}
