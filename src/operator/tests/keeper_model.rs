//! Random histories of a fleet: the spec changes, machines break, nodes are lost, somebody deletes things by hand, steps
//! are cut off half-way, and what is decided from is old. Whatever happens, it never costs more than it may, never stops
//! more than one region that works, and comes to rest with what the spec wants.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use fleet_operator::keeper::{Act, NodeSeen, ServerSeen, Work, World, decide};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const NAMES: [&str; 5] = ["study-a", "study-b", "study-c", "study-d", "study-e"];
/// Minutes from one tick to the next.
const TICK: i64 = 2;
/// Minutes until a new machine is a node.
const BOOT: i64 = 4;
const REPLACE_AFTER: i64 = 15;
/// Ticks until it has come to rest: each of five machines may have to be waited for, replaced and rebuilt.
const REST: usize = 200;

/// Something that happens between two ticks. The number says to which server, or how.
#[derive(Debug, Clone)]
enum Event {
    Wanted(BTreeSet<usize>),
    NewSetUp,
    Lose(usize),
    Find(usize),
    Break(usize),
    DeleteServer(usize),
    DeleteNode(usize),
    AddSurplus(usize),
    PowerOff(usize),
    SoldOut(usize),
    InStock,
    LoseAll,
    FindAll,
    Busy(usize),
    NeverFinish(usize),
    Nothing,
}

/// What becomes of an act.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Done,
    NotBegun,
    HalfDone,
}

#[derive(Debug, Clone)]
struct Machine {
    made: Timestamp,
    set_up: u32,
    works: bool,
    is_on: bool,
    busy: bool,
    unfinished: bool,
    /// It has been a node since it was made.
    joined: bool,
}

#[derive(Debug, Clone)]
struct Fleet {
    now: Timestamp,
    wanted: BTreeSet<String>,
    set_up: u32,
    machines: BTreeMap<String, Machine>,
    nodes: BTreeMap<String, NodeSeen>,
    sold_out: BTreeSet<String>,
    replaces: bool,
}

fn name(index: usize) -> String {
    NAMES[index % NAMES.len()].to_owned()
}

fn node(ready: bool, since: Timestamp, labelled: bool) -> NodeSeen {
    NodeSeen {
        ready,
        since: Some(since),
        labelled,
        drained: false,
    }
}

impl Fleet {
    fn new(wanted: &BTreeSet<usize>, replaces: bool) -> Self {
        Self {
            now: "2026-11-26T00:00:00Z".parse().unwrap(),
            wanted: wanted.iter().map(|index| name(*index)).collect(),
            set_up: 0,
            machines: BTreeMap::new(),
            nodes: BTreeMap::new(),
            sold_out: BTreeSet::new(),
            replaces,
        }
    }

    fn make(&mut self, name: &str) {
        let machine = Machine {
            made: self.now,
            set_up: self.set_up,
            works: true,
            is_on: true,
            busy: false,
            unfinished: false,
            joined: false,
        };
        self.machines.insert(name.to_owned(), machine);
    }

    fn happen(&mut self, event: &Event) {
        let now = self.now;
        match event {
            Event::Wanted(indices) => self.wanted = indices.iter().map(|it| name(*it)).collect(),
            Event::NewSetUp => self.set_up += 1,
            Event::Lose(index) => self.set_ready(&name(*index), false),
            Event::Find(index) => self.set_ready(&name(*index), true),
            Event::Break(index) => {
                // Without replacement nothing but a person helps.
                let machine = self.machines.get_mut(&name(*index));
                if let Some(machine) = machine.filter(|_| self.replaces) {
                    machine.works = false;
                    self.set_ready(&name(*index), false);
                }
            }
            Event::DeleteServer(index) => {
                self.machines.remove(&name(*index));
                self.set_ready(&name(*index), false);
            }
            Event::DeleteNode(index) => {
                if self.nodes.remove(&name(*index)).is_some()
                    && let Some(machine) = self.machines.get_mut(&name(*index))
                {
                    // The kubelet registers again when it starts anew, which this one does.
                    machine.joined = false;
                }
            }
            Event::AddSurplus(index) => {
                let name = name(*index);
                if !self.wanted.contains(&name) && !self.machines.contains_key(&name) {
                    self.make(&name);
                    self.nodes.insert(name, node(true, now, true));
                }
            }
            Event::PowerOff(index) => {
                if let Some(machine) = self.machines.get_mut(&name(*index)) {
                    machine.is_on = false;
                    self.set_ready(&name(*index), false);
                }
            }
            Event::SoldOut(index) => _ = self.sold_out.insert(name(*index)),
            Event::InStock => self.sold_out.clear(),
            Event::LoseAll => NAMES.iter().for_each(|name| self.set_ready(name, false)),
            Event::FindAll => NAMES.iter().for_each(|name| self.set_ready(name, true)),
            Event::Busy(index) => {
                if let Some(machine) = self.machines.get_mut(&name(*index)) {
                    machine.busy = true;
                }
            }
            Event::NeverFinish(index) => {
                let machine = self.machines.get_mut(&name(*index));
                if let Some(machine) = machine.filter(|machine| !machine.joined) {
                    machine.unfinished = true;
                    machine.works = false;
                }
            }
            Event::Nothing => {}
        }
    }

    fn set_ready(&mut self, name: &str, ready: bool) {
        let now = self.now;
        let works = self
            .machines
            .get(name)
            .is_some_and(|it| it.works && it.is_on);
        if let Some(node) = self.nodes.get_mut(name)
            && node.ready != ready
            && (works || !ready)
        {
            node.ready = ready;
            node.since = Some(now);
        }
    }

    /// Machines boot and join, and the provider comes to an end with what it was at.
    fn pass(&mut self) {
        self.now += SignedDuration::from_mins(TICK);
        let now = self.now;
        for (name, machine) in &mut self.machines {
            machine.busy = machine.unfinished;
            let has_booted = now.duration_since(machine.made) >= SignedDuration::from_mins(BOOT);
            if machine.works && machine.is_on && !machine.joined && has_booted {
                machine.joined = true;
                self.nodes.insert(name.clone(), node(true, now, false));
            }
        }
    }

    fn world(&self, nodes: &BTreeMap<String, NodeSeen>) -> World {
        let mut work = BTreeMap::new();
        for name in &self.wanted {
            let planned = match self.machines.get(name) {
                None if self.sold_out.contains(name) => None,
                None => Some(Work::Create),
                Some(machine) if machine.set_up != self.set_up => Some(Work::Disrupt),
                Some(machine) if !machine.is_on => Some(Work::Touch),
                Some(_) => None,
            };
            work.extend(planned.map(|planned| (name.clone(), planned)));
        }
        let seen = |machine: &Machine| ServerSeen {
            made: machine.made,
            busy: machine.busy,
            unfinished: machine.unfinished,
        };
        let absent = |name: &&String| !self.machines.contains_key(*name);
        World {
            wanted: self.wanted.clone(),
            servers: self
                .machines
                .iter()
                .map(|(name, machine)| (name.clone(), seen(machine)))
                .collect(),
            // Those that are nobody's are not the fleet's.
            nodes: nodes.clone(),
            work,
            stuck: self.sold_out.iter().filter(absent).cloned().collect(),
            replace_after: self
                .replaces
                .then(|| SignedDuration::from_mins(REPLACE_AFTER)),
            now: self.now,
        }
    }

    /// One tick from a picture of the nodes that may be old. What it does may be cut off.
    fn tick(&mut self, old: &BTreeMap<String, NodeSeen>, fates: &[Fate]) {
        let mut world = self.world(old);
        let mut decision = decide(&world);
        if decision.acts.iter().any(Act::is_final) {
            world = self.world(&self.nodes);
            decision = decide(&world);
        }
        self.check(&world, &decision.acts);
        let budget = self.machines.len().max(self.wanted.len() + 1);
        let fates = fates.iter().copied().chain(std::iter::repeat(Fate::Done));
        for (act, fate) in decision.acts.iter().zip(fates) {
            self.act(act, fate);
            assert!(
                self.machines.len() <= budget,
                "{} servers: {act:?}",
                self.machines.len()
            );
        }
    }

    /// What no decision may do.
    fn check(&self, world: &World, acts: &[Act]) {
        let stops: Vec<&Act> = acts
            .iter()
            .filter(|act| matches!(act, Act::Disrupt(_) | Act::Replace(_)))
            .collect();
        assert!(stops.len() <= 1, "{stops:?}");
        let is_ready = |name: &str| world.nodes.get(name).is_some_and(|node| node.ready);
        for act in acts {
            let name = act.name();
            let is_wanted = self.wanted.contains(name);
            let is_there = self.machines.contains_key(name);
            match act {
                Act::Create(_) => assert!(is_wanted && !is_there && !self.sold_out.contains(name)),
                Act::Forget(_) => assert!(!is_there && world.nodes.contains_key(name)),
                Act::Remove(_) => assert!(!is_wanted && is_there),
                Act::Touch(_) | Act::Label(_) | Act::Uncordon(_) => assert!(is_wanted && is_there),
                Act::Replace(_) => {
                    assert!(is_wanted && is_there && !is_ready(name));
                    let alone = self
                        .wanted
                        .iter()
                        .filter(|it| self.machines.contains_key(*it));
                    let some_work = self.wanted.iter().any(|it| is_ready(it));
                    let lost = self.replaces && (some_work || alone.count() == 1);
                    assert!(lost || self.machines[name].unfinished, "no reason");
                }
                Act::Disrupt(_) => {
                    assert!(is_wanted && is_there);
                    let mut others = self.wanted.iter().filter(|it| *it != name);
                    let rest = others.all(|it| is_ready(it) || world.stuck.contains(it));
                    assert!(rest || !is_ready(name), "a second region is stopped");
                }
            }
            let often = acts.iter().filter(|other| other.name() == name);
            let both = |act: &Act| {
                matches!(
                    act,
                    Act::Label(_)
                        | Act::Uncordon(_)
                        | Act::Touch(_)
                        | Act::Forget(_)
                        | Act::Create(_)
                )
            };
            assert!(
                often.clone().count() == 1 || often.clone().all(both),
                "{acts:?}"
            );
        }
    }

    fn act(&mut self, act: &Act, fate: Fate) {
        let name = act.name();
        if fate == Fate::NotBegun {
            return;
        }
        let half = fate == Fate::HalfDone;
        match act {
            Act::Forget(_) => _ = self.nodes.remove(name),
            // Its answer was lost, or the operator was killed: it is there all the same.
            Act::Create(_) => self.make(name),
            Act::Label(_) => self.nodes.get_mut(name).unwrap().labelled = true,
            Act::Uncordon(_) => self.nodes.get_mut(name).unwrap().drained = false,
            Act::Touch(_) => {
                let machine = self.machines.get_mut(name).unwrap();
                machine.is_on = true;
                machine.joined = false;
            }
            Act::Remove(_) | Act::Replace(_) => {
                self.machines.remove(name);
                if !half {
                    self.nodes.remove(name);
                }
            }
            Act::Disrupt(_) if half => {
                // Drained and forgotten, and then nothing.
                if name < "study-c" {
                    self.nodes.remove(name);
                } else if let Some(node) = self.nodes.get_mut(name) {
                    node.drained = true;
                }
            }
            Act::Disrupt(_) => {
                self.nodes.remove(name);
                self.make(name);
            }
        }
    }

    fn is_as_wanted(&self) -> bool {
        let is_well = |name: &String| {
            let machine = self.machines.get(name);
            machine.is_some_and(|machine| machine.set_up == self.set_up && machine.is_on)
                && self.nodes.get(name)
                    == self
                        .nodes
                        .get(name)
                        .filter(|node| node.ready && node.labelled && !node.drained)
        };
        let names = |it: &BTreeSet<String>| it.clone();
        self.wanted.iter().all(is_well)
            && self.machines.keys().cloned().collect::<BTreeSet<_>>() == names(&self.wanted)
            && self.nodes.keys().cloned().collect::<BTreeSet<_>>() == names(&self.wanted)
    }
}

fn event() -> impl Strategy<Value = Event> {
    let index = || 0..NAMES.len();
    prop_oneof![
        3 => proptest::collection::btree_set(index(), 0..=4).prop_map(Event::Wanted),
        2 => Just(Event::NewSetUp),
        3 => index().prop_map(Event::Lose),
        2 => index().prop_map(Event::Find),
        2 => index().prop_map(Event::Break),
        2 => index().prop_map(Event::DeleteServer),
        1 => index().prop_map(Event::DeleteNode),
        1 => index().prop_map(Event::AddSurplus),
        1 => index().prop_map(Event::PowerOff),
        1 => index().prop_map(Event::SoldOut),
        1 => Just(Event::InStock),
        1 => Just(Event::LoseAll),
        1 => Just(Event::FindAll),
        1 => index().prop_map(Event::Busy),
        1 => index().prop_map(Event::NeverFinish),
        4 => Just(Event::Nothing),
    ]
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        6 => Just(Fate::Done),
        1 => Just(Fate::NotBegun),
        1 => Just(Fate::HalfDone),
    ];
    proptest::collection::vec(fate, 0..4)
}

type Step = (Event, Vec<Fate>, bool);

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_it_stays_within_bounds_and_comes_to_rest(
        wanted in proptest::collection::btree_set(0..NAMES.len(), 0..=4),
        replaces in any::<bool>(),
        steps in proptest::collection::vec((event(), fates(), any::<bool>()), 0..40),
    ) {
        let steps: Vec<Step> = steps;
        let mut fleet = Fleet::new(&wanted, replaces);
        let mut old = fleet.nodes.clone();
        for (event, fates, is_old) in &steps {
            fleet.happen(event);
            let nodes = if *is_old { old.clone() } else { fleet.nodes.clone() };
            old.clone_from(&fleet.nodes);
            // What the real thing does with an old picture of a node that is gone: nothing.
            let nodes = nodes.into_iter().filter(|(name, _)| fleet.nodes.contains_key(name)).collect();
            fleet.tick(&nodes, fates);
            fleet.pass();
        }
        // A person has looked after the network, the stock, and one machine if all are broken.
        fleet.happen(&Event::InStock);
        if fleet.machines.values().all(|machine| !machine.works) {
            fleet
                .machines
                .values_mut()
                .filter(|machine| !machine.unfinished)
                .for_each(|machine| machine.works = true);
        }
        fleet.happen(&Event::FindAll);
        let mut rest = None;
        for tick in 0..REST {
            let nodes = fleet.nodes.clone();
            if decide(&fleet.world(&nodes)).acts.is_empty() && fleet.is_as_wanted() {
                rest = Some(tick);
                break;
            }
            fleet.tick(&nodes, &[]);
            fleet.pass();
        }
        prop_assert!(rest.is_some(), "{fleet:#?}\n{:#?}", decide(&fleet.world(&fleet.nodes)));
        let before = format!("{:?}{:?}", fleet.machines, fleet.nodes);
        let nodes = fleet.nodes.clone();
        fleet.tick(&nodes, &[]);
        prop_assert_eq!(before, format!("{:?}{:?}", fleet.machines, fleet.nodes));
    }
}
