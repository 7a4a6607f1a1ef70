//! What is done about a fleet's servers in one tick. Pure: no I/O, no clock of its own.
//!
//! What costs money or stops a region is bounded here: never more servers than the spec asks for plus one, and never
//! more than one region that is stopped at a time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

/// How long it may take to make a server. One that takes longer is never finished.
const MAKING: SignedDuration = SignedDuration::from_mins(15);

/// What is decided from. All names are those of servers, which are those of their nodes.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// The servers that the spec wants, without the control plane's.
    pub wanted: BTreeSet<String>,
    /// The fleet's servers for regions. The control plane's, and those of others, are not among them.
    pub servers: BTreeMap<String, ServerSeen>,
    /// Nodes that are the fleet's: by their name, or by their labels.
    pub nodes: BTreeMap<String, NodeSeen>,
    /// What the plan has in mind for a server. What it cannot do now is not here.
    pub work: BTreeMap<String, Work>,
    /// Servers that cannot be had at present.
    pub stuck: BTreeSet<String>,
    /// How long a node may be not ready until its server is replaced; never without.
    pub replace_after: Option<SignedDuration>,
    /// The time.
    pub now: Timestamp,
}

/// A server as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSeen {
    /// When its disk was written.
    pub made: Timestamp,
    /// The provider is at work on it.
    pub busy: bool,
    /// It is still being made.
    pub unfinished: bool,
}

/// A node as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeSeen {
    /// Whether it takes pods.
    pub ready: bool,
    /// Since when that is so, as far as it has told.
    pub since: Option<Timestamp>,
    /// It has the labels that it should have.
    pub labelled: bool,
    /// It was drained by us.
    pub drained: bool,
}

/// What the plan has in mind for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// It is made.
    Create,
    /// It is changed without stopping.
    Touch,
    /// It is rebuilt, rescaled, or made anew elsewhere: its region stops meanwhile.
    Disrupt,
}

/// What is done. The name is the server's, and the node's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// The node of a server that is gone is forgotten.
    Forget(String),
    /// The node gets its labels.
    Label(String),
    /// The node takes pods again: what it was drained for is not going to happen.
    Uncordon(String),
    /// The server is made.
    Create(String),
    /// The server is changed without stopping.
    Touch(String),
    /// The server is drained and then changed.
    Disrupt(String),
    /// The server is deleted, and the next tick makes it again.
    Replace(String),
    /// The server is drained and deleted: the spec does not want it any more.
    Remove(String),
}

/// What is done, what is waited for, and what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// What is done, all at once except for nodes that are forgotten, which come first.
    pub acts: Vec<Act>,
    /// What is waited for, in words.
    pub waits: Vec<String>,
    /// Servers whose nodes have not been ready for too long.
    pub down: BTreeSet<String>,
    /// No node is ready, so the servers are not to blame.
    pub all_down: bool,
}

/// How a region's server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    /// It has no server.
    Absent,
    /// Its node takes pods.
    Ready,
    /// It boots, joins, or has been lost for a short while only.
    Coming,
    /// It has had its time.
    Down(Timestamp),
}

/// What is done in this tick.
pub fn decide(world: &World) -> Decision {
    let mut decision = Decision::default();
    forget(world, &mut decision);
    remove_surplus(world, &mut decision);
    create(world, &mut decision);
    let disrupted = disrupt(world, &mut decision);
    for name in &world.wanted {
        let (Some(server), Some(node)) = (world.servers.get(name), world.nodes.get(name)) else {
            continue;
        };
        if disrupted.as_ref() == Some(name) {
            continue;
        }
        if !node.labelled {
            decision.acts.push(Act::Label(name.clone()));
        }
        // While it waits for its turn it works.
        if node.drained && node.ready && !server.busy {
            decision.acts.push(Act::Uncordon(name.clone()));
        }
    }
    for (name, server) in &world.servers {
        if world.work.get(name) == Some(&Work::Touch)
            && !server.busy
            && disrupted.as_ref() != Some(name)
        {
            decision.acts.push(Act::Touch(name.clone()));
        }
    }
    decision
}

impl Act {
    /// The server's name, and the node's.
    pub fn name(&self) -> &str {
        match self {
            Self::Forget(name)
            | Self::Label(name)
            | Self::Uncordon(name)
            | Self::Create(name)
            | Self::Touch(name)
            | Self::Disrupt(name)
            | Self::Replace(name)
            | Self::Remove(name) => name,
        }
    }

    /// Whether something is lost if it was decided from a picture that is not true any more.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Forget(_) | Self::Disrupt(_) | Self::Replace(_) | Self::Remove(_)
        )
    }

    /// Whether it is part of the plan, which has to be up to date then.
    pub fn is_planned(&self) -> bool {
        matches!(self, Self::Create(_) | Self::Touch(_) | Self::Disrupt(_))
    }
}

fn forget(world: &World, decision: &mut Decision) {
    let gone = world
        .nodes
        .keys()
        .filter(|name| !world.servers.contains_key(*name));
    decision.acts.extend(gone.cloned().map(Act::Forget));
}

fn remove_surplus(world: &World, decision: &mut Decision) {
    let surplus = world
        .servers
        .keys()
        .filter(|name| !world.wanted.contains(*name));
    decision.acts.extend(surplus.cloned().map(Act::Remove));
}

/// Makes what is missing, as far as the money goes: what is surplus has to be gone first.
fn create(world: &World, decision: &mut Decision) {
    let mut left = (world.wanted.len() + 1).saturating_sub(world.servers.len());
    for name in &world.wanted {
        if world.servers.contains_key(name) || world.work.get(name) != Some(&Work::Create) {
            continue;
        }
        if left == 0 {
            let wait = format!("{name} is made when a server that is not wanted is gone");
            decision.waits.push(wait);
            continue;
        }
        left -= 1;
        decision.acts.push(Act::Create(name.clone()));
    }
}

/// Stops at most one region: a server is replaced, or changed. Answers with its name.
fn disrupt(world: &World, decision: &mut Decision) -> Option<String> {
    let health: BTreeMap<&String, Health> = world
        .wanted
        .iter()
        .map(|name| (name, health(world, name)))
        .collect();
    let is_ready = |name: &String| health.get(name) == Some(&Health::Ready);
    for (name, health) in &health {
        match health {
            Health::Down(_) => _ = decision.down.insert((*name).clone()),
            Health::Coming => decision
                .waits
                .push(format!("{name} is not a ready node yet")),
            Health::Absent | Health::Ready => {}
        }
    }
    let there = health.values().filter(|health| **health != Health::Absent);
    decision.all_down =
        there.count() > 1 && !decision.down.is_empty() && !health.keys().any(|name| is_ready(name));

    // Those that are stopped already first: that costs nothing.
    let mut changed: Vec<&String> = health
        .keys()
        .filter(|name| is_to_be_changed(world, name))
        .copied()
        .collect();
    changed.sort_by_key(|name| is_ready(name));
    // A region that is stopped anyway waits only for what is on its way.
    let may_stop = |name: &&&String| {
        health.iter().all(|(other, health)| {
            let is_known = match health {
                Health::Ready => true,
                Health::Down(_) => !is_ready(name),
                Health::Absent => world.stuck.contains(*other),
                Health::Coming => !is_ready(name) && is_to_be_changed(world, other),
            };
            *other == **name || is_known
        })
    };
    let act = if let Some(name) = to_be_replaced(world, &health, decision) {
        Act::Replace(name)
    } else if let Some(name) = changed.iter().find(may_stop) {
        Act::Disrupt((*name).clone())
    } else {
        let waits = changed
            .iter()
            .map(|name| format!("{name} is changed when all others are ready"));
        decision.waits.extend(waits);
        return None;
    };
    let name = act.name().to_owned();
    decision.acts.push(act);
    Some(name)
}

fn is_to_be_changed(world: &World, name: &str) -> bool {
    let is_busy = world.servers.get(name).is_none_or(|server| server.busy);
    world.work.get(name) == Some(&Work::Disrupt) && !is_busy
}

fn health(world: &World, name: &str) -> Health {
    let Some(server) = world.servers.get(name) else {
        return Health::Absent;
    };
    let node = world.nodes.get(name);
    if node.is_some_and(|node| node.ready) {
        return Health::Ready;
    }
    if server.busy && world.work.get(name) == Some(&Work::Disrupt) {
        // A rebuild that was cut off is still going on.
        return Health::Coming;
    }
    let since = node.and_then(|node| node.since).unwrap_or(server.made);
    // A machine that was made anew has its time from then on.
    let since = since.max(server.made);
    let had_its_time = |limit: SignedDuration| world.now.duration_since(since) > limit;
    if world.replace_after.is_some_and(had_its_time) {
        Health::Down(since)
    } else {
        Health::Coming
    }
}

/// One that was never finished, else the one that has been down for longest, unless another is on its way. One that is going to be rebuilt is not
/// replaced: perhaps that helps.
fn to_be_replaced(
    world: &World,
    health: &BTreeMap<&String, Health>,
    decision: &Decision,
) -> Option<String> {
    let never_finished = |name: &&&String| {
        let server = world.servers.get(**name);
        server.is_some_and(|it| it.unfinished && world.now.duration_since(it.made) > MAKING)
    };
    if let Some(name) = health.keys().find(never_finished) {
        return Some((*name).clone());
    }
    let on_its_way = health.iter().any(|(name, health)| match health {
        Health::Absent => !world.stuck.contains(*name),
        Health::Coming => true,
        Health::Ready | Health::Down(_) => false,
    });
    if on_its_way || decision.all_down {
        return None;
    }
    let down = health.iter().filter_map(|(name, health)| match health {
        Health::Down(since) if !is_to_be_changed(world, name) => Some((*since, *name)),
        _ => None,
    });
    down.min().map(|(_, name)| name.clone())
}
