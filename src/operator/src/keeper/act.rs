//! Doing what was decided.

use std::collections::BTreeMap;

use fleet_api::conditions::reasons;
use fleet_hetzner::{ActionError, ServerStatus};
use futures_util::future::{join_all, join4};
use jiff::Timestamp;

use super::decide::{Act, Decision, NodeSeen};
use super::kept::Happening;
use super::picture::Picture;
use super::report::{Failure, failure};
use super::tick::Tick;
use super::view;
use crate::cluster::{drain, forget_node, label_node, uncordon};
use crate::servers::{
    Change, Execution, Item, Kind, Outcome, Plan, Problem, Progress, Setup, Step, StepError, Verb,
    is_ours,
};

/// What is needed to act.
pub(super) struct Acting<'a> {
    pub(super) tick: &'a Tick<'a>,
    pub(super) picture: &'a Picture,
    pub(super) setup: &'a Setup,
    pub(super) nodes: &'a BTreeMap<String, NodeSeen>,
}

impl Acting<'_> {
    /// Does it all. What fails does not hold up the others.
    pub(super) async fn run(&self, decision: &Decision) -> Vec<Failure> {
        let acts = &decision.acts;
        let named = |of: fn(&Act) -> bool| {
            let acts = acts.iter().filter(move |act| of(act));
            acts.map(Act::name).collect::<Vec<_>>()
        };
        let is_gone = |act: &Act| matches!(act, Act::Forget(_));
        // A server of the same name may be made in a moment.
        let forgotten = join_all(named(is_gone).into_iter().map(|name| self.forget(name))).await;

        let planned = named(|act| matches!(act, Act::Create(_) | Act::Touch(_)));
        let slow = acts.iter().filter(|act| act.is_final() && !is_gone(act));
        let labels = named(|act| matches!(act, Act::Label(_)));
        let uncordons = named(|act| matches!(act, Act::Uncordon(_)));
        let (planned, slow, labelled, uncordoned) = join4(
            Box::pin(self.carry_out(&planned)),
            join_all(slow.map(|act| Box::pin(self.slowly(act)))),
            join_all(labels.into_iter().map(|name| self.label(name))),
            join_all(uncordons.into_iter().map(|name| self.uncordon(name))),
        )
        .await;
        let mut failures = planned;
        failures.extend(slow.into_iter().flatten());
        let nodes = [forgotten, labelled, uncordoned];
        failures.extend(nodes.into_iter().flatten().flatten());
        for failure in &failures {
            self.tell(true, "ServerFailed", failure.message.clone());
        }
        failures
    }

    /// What stands around servers, new servers, and what changes servers without stopping them.
    async fn carry_out(&self, names: &[&str]) -> Vec<Failure> {
        let changes = names
            .iter()
            .filter_map(|name| self.picture.changes.get(*name));
        let changes: Vec<Change> = self.picture.around.iter().chain(changes).cloned().collect();
        if changes.is_empty() {
            return Vec::new();
        }
        let plan = Plan {
            changes,
            ..Plan::default()
        };
        let progress = Progress::unwatched();
        let outcome = self.execution(&progress).run(plan).await;
        let failed = outcome.failed.iter();
        let leftovers: Vec<i64> = failed.filter_map(|it| never_made(&it.2)).collect();
        let mut failures = self.note(outcome);
        for id in leftovers {
            failures.extend(self.clear_away(id).await);
        }
        failures
    }

    /// A server whose making has failed costs money and never becomes a node. The next tick makes it again.
    async fn clear_away(&self, id: i64) -> Vec<Failure> {
        let there = self.tick.client.servers().get(id).await;
        let Ok(Some(server)) = there else {
            // The next ticks see it, and in the end it is replaced.
            return Vec::new();
        };
        let is_unfinished = server.status == ServerStatus::Initializing;
        if !is_unfinished || !is_ours(&server.labels, &self.tick.spec.fleet) {
            return Vec::new();
        }
        let change = deletion(self.picture.found().server_item(&server), id, "not made");
        let progress = Progress::unwatched();
        self.note(self.execution(&progress).run_servers(vec![change]).await)
    }

    /// What begins with the end of a region, or of one that nobody wants.
    async fn slowly(&self, act: &Act) -> Vec<Failure> {
        let name = act.name();
        if let Act::Replace(name) = act
            && let Some(failure) = self.cannot_be_had(name)
        {
            return vec![failure];
        }
        if let Some(failure) = self.drain(name).await {
            return vec![failure];
        }
        let change = match act {
            Act::Disrupt(_) => self.picture.changes.get(name).cloned(),
            Act::Replace(_) => self.deletion(name, "its node has not been ready for too long"),
            _ => self.deletion(name, "the spec has no such region"),
        };
        let Some(change) = change else {
            return Vec::new();
        };
        let is_deletion = change.verb == Verb::Delete;
        let progress = Progress::unwatched();
        let outcome = self.execution(&progress).run_servers(vec![change]).await;
        let mut failures = self.note(outcome);
        if failures.is_empty() && is_deletion {
            failures.extend(self.forget(name).await);
        }
        failures
    }

    fn deletion(&self, name: &str, why: &str) -> Option<Change> {
        let found = self.picture.found();
        let server = found.servers.iter().find(|server| server.name == name)?;
        Some(deletion(found.server_item(server), server.id, why))
    }

    /// A server that is down may come back; one that is deleted and sold out does not.
    fn cannot_be_had(&self, name: &str) -> Option<Failure> {
        let spec = &self.tick.spec;
        let (_, wanted) = view::regions(spec).find(|(_, server)| server.name == name)?;
        let offers = self.picture.catalogue()?.offers(wanted, Timestamp::now());
        offers.available.is_empty().then(|| {
            let problem = Problem::NoOffer {
                server: name.to_owned(),
                refusals: offers.refusals(),
            };
            let message = format!("it is not replaced: {problem}");
            Failure::of(name, reasons::NO_OFFER, &message)
        })
    }

    /// On a node that is not ready nobody would hear that pods should end.
    async fn drain(&self, name: &str) -> Option<Failure> {
        if !self.nodes.get(name).is_some_and(|node| node.ready) {
            return None;
        }
        let keeper = self.tick.keeper;
        match drain(&keeper.cluster, name, keeper.options.drain).await {
            Ok(0) => None,
            Ok(left) => {
                let note = format!("{name}: {left} pods have not left the node in time");
                self.tell(true, "NodeNotDrained", note);
                None
            }
            Err(error) => Some(Failure::of_cluster(name, error)),
        }
    }

    async fn forget(&self, name: &str) -> Option<Failure> {
        let done = forget_node(&self.tick.keeper.cluster, name).await;
        done.err().map(|error| Failure::of_cluster(name, error))
    }

    async fn label(&self, name: &str) -> Option<Failure> {
        let spec = &self.tick.spec;
        let (_, server) = view::regions(spec).find(|(_, server)| server.name == name)?;
        let labels = server.labels(&spec.fleet);
        match label_node(&self.tick.keeper.cluster, name, &labels).await {
            Ok(()) => {
                self.tell(
                    false,
                    "NodeJoined",
                    format!("{name} is a node of the cluster"),
                );
                None
            }
            Err(error) => Some(Failure::of_cluster(name, error)),
        }
    }

    async fn uncordon(&self, name: &str) -> Option<Failure> {
        let done = uncordon(&self.tick.keeper.cluster, name).await;
        done.err().map(|error| Failure::of_cluster(name, error))
    }

    fn execution<'e>(&'e self, progress: &'e Progress) -> Execution<'e> {
        Execution {
            client: &self.tick.client,
            wanted: &self.picture.wanted,
            found: self.picture.found(),
            setup: self.setup,
            progress,
        }
    }

    /// Tells of what was done, and answers with what was not.
    fn note(&self, outcome: Outcome) -> Vec<Failure> {
        for (verb, item) in &outcome.done {
            if item.kind == Kind::Server {
                self.tell(false, word(*verb), sentence(*verb, item));
            }
        }
        let change = |item: &Item| self.picture.changes.get(&item.name);
        let failed = outcome.failed.into_iter();
        let failed = failed.map(|(_, item, error)| failure(&item.name, error, change(&item)));
        failed.collect()
    }

    fn tell(&self, warning: bool, reason: &'static str, note: String) {
        (self.tick.told)(Happening {
            warning,
            reason,
            note,
        });
    }
}

fn deletion(item: Item, id: i64, why: &str) -> Change {
    Change {
        verb: Verb::Delete,
        monthly_before: item.monthly,
        item,
        why: why.to_owned(),
        step: Step::Delete { id },
    }
}

/// The server that was begun and not made, if it was that.
fn never_made(error: &StepError) -> Option<i64> {
    let StepError::Action(ActionError::Failed {
        command, resources, ..
    }) = error
    else {
        return None;
    };
    let server = resources.iter().find(|it| it.kind == "server");
    server
        .filter(|_| command == "create_server")
        .map(|it| it.id)
}

fn word(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "ServerCreated",
        Verb::Update => "ServerChanged",
        Verb::Rebuild => "ServerRebuilt",
        Verb::Replace => "ServerReplaced",
        Verb::Delete => "ServerDeleted",
    }
}

fn sentence(verb: Verb, item: &Item) -> String {
    let did = match verb {
        Verb::Create => "was made",
        Verb::Update => "was changed",
        Verb::Rebuild => "was rebuilt",
        Verb::Replace => "was made anew",
        Verb::Delete => "was deleted",
    };
    let what = [item.server_type.as_deref(), item.location.as_deref()];
    let what: Vec<&str> = what.into_iter().flatten().collect();
    format!("{} ({}) {did}", item.name, what.join(" in "))
}
