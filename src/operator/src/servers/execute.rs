//! Carrying a plan out.
//!
//! Everything that can happen at once does; what has to wait, waits only for what it needs: servers for keys, groups
//! and the network, servers that join for the control plane, the firewall's rules for the addresses, and what is
//! deleted for all of it. Whatever is cut off is carried on by the next run, because every step looks before it acts.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use fleet_hetzner::Client;
use futures_util::future::join_all;
use tokio::sync::watch;

use super::change::{Change, Item, Kind, Step, Verb};
use super::delete::delete;
use super::firewall;
use super::found::Found;
use super::make::{self, Made};
use super::plan::Plan;
use super::progress::{Progress, State};
use super::server::ServerWork;
use super::setup::{Base, Setup};
use super::step_error::StepError;
use super::wanted::{Role, Wanted};

/// What is needed to carry a plan out.
#[derive(Debug)]
pub struct Execution<'e> {
    /// The API.
    pub client: &'e Client,
    /// What the spec wants.
    pub wanted: &'e Wanted,
    /// What was there when the plan was made.
    pub found: &'e Found,
    /// What new servers are told.
    pub setup: &'e Setup,
    /// Who is told how it goes on.
    pub progress: &'e Progress,
}

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was done.
    pub done: Vec<(Verb, Item)>,
    /// What was not, and why.
    pub failed: Vec<(Verb, Item, StepError)>,
}

impl Execution<'_> {
    /// Carries it out. What fails does not hold up the others.
    pub async fn run(&self, plan: Plan) -> Outcome {
        let (with_server, changes): (Vec<_>, Vec<_>) = plan
            .changes
            .into_iter()
            .partition(|change| matches!(change.step, Step::WithServer));
        let (deletions, changes): (Vec<_>, Vec<_>) = changes
            .into_iter()
            .partition(|change| change.verb == Verb::Delete);
        let (servers, around): (Vec<_>, Vec<_>) = changes
            .into_iter()
            .partition(|change| change.item.kind == Kind::Server);
        let mut outcome = Outcome::default();

        let mut made = Made::of(self.found);
        let results = join_all(
            around
                .iter()
                .map(|change| self.watched(change, make::make(self, change))),
        );
        for (change, result) in around.iter().zip(results.await) {
            outcome.note(change, result.map(|new| made.add(new)));
        }

        let addresses = self.make_servers(servers, &made, &mut outcome).await;
        self.renew_firewalls(&made, &addresses, &mut outcome).await;
        for change in with_server {
            let made = |(_, item): &(Verb, Item)| {
                item.kind == Kind::Server && item.name == change.item.name
            };
            if outcome.done.iter().any(made) {
                outcome.done.push((change.verb, change.item));
            }
        }

        // Servers first: what stands around them cannot go while they use it.
        let (servers, around): (Vec<_>, Vec<_>) = deletions
            .into_iter()
            .partition(|change| change.item.kind == Kind::Server);
        self.delete(servers, &mut outcome).await;
        self.delete(around, &mut outcome).await;
        outcome
    }

    /// Carries out only what happens to servers. What stands around them is left as it is, also the firewalls' rules,
    /// until the next plan.
    pub async fn run_servers(&self, changes: Vec<Change>) -> Outcome {
        let (deletions, changes): (Vec<_>, Vec<_>) = changes
            .into_iter()
            .filter(|change| change.item.kind == Kind::Server)
            .partition(|change| change.verb == Verb::Delete);
        let mut outcome = Outcome::default();
        let made = Made::of(self.found);
        self.make_servers(changes, &made, &mut outcome).await;
        self.delete(deletions, &mut outcome).await;
        outcome
    }

    async fn delete(&self, changes: Vec<Change>, outcome: &mut Outcome) {
        let results = join_all(changes.iter().map(|change| {
            let work = async {
                match change.step {
                    Step::Delete { id } => delete(self.client, change.item.kind, id).await,
                    _ => Ok(()),
                }
            };
            self.watched(change, work)
        }));
        for (change, result) in changes.iter().zip(results.await) {
            outcome.note(change, result);
        }
    }

    /// Makes and changes servers, and answers with the addresses of all that stay.
    async fn make_servers(
        &self,
        changes: Vec<Change>,
        made: &Made,
        outcome: &mut Outcome,
    ) -> BTreeSet<Ipv4Addr> {
        // Servers that join wait here for the control plane. If it fails, the sender goes, and they learn that.
        let control_plane_changes = changes.iter().any(|change| {
            matches!(&change.step, Step::Server { server, .. } if server.role == Role::ControlPlane)
        });
        let known = (!control_plane_changes)
            .then(|| self.found.base(self.wanted))
            .flatten();
        let (sender, base) = watch::channel::<Option<Base>>(known);
        let mut sender = Some(sender);
        let work: Vec<_> = changes
            .iter()
            .map(|change| {
                let Step::Server { server, id, steps } = &change.step else {
                    return None;
                };
                let is_control_plane = server.role == Role::ControlPlane;
                Some(ServerWork {
                    execution: self,
                    made,
                    change,
                    server,
                    id: *id,
                    steps,
                    base: base.clone(),
                    tell: is_control_plane.then(|| sender.take()).flatten(),
                })
            })
            .collect();
        drop(sender);
        let results = join_all(work.into_iter().zip(&changes).map(|(work, change)| {
            let run = async {
                match work {
                    Some(work) => work.run().await,
                    None => Ok(None),
                }
            };
            self.watched(change, run)
        }))
        .await;

        let kept = self.found.servers.iter().filter(|server| {
            self.wanted
                .servers
                .iter()
                .any(|wanted| wanted.name == server.name)
        });
        let mut addresses: BTreeSet<Ipv4Addr> =
            kept.filter_map(fleet_hetzner::Server::ipv4).collect();
        for (change, result) in changes.iter().zip(results) {
            let result = result.map(|address| addresses.extend(address));
            outcome.note(change, result);
        }
        addresses
    }

    /// The rules name the servers' addresses, which are known by now.
    async fn renew_firewalls(
        &self,
        made: &Made,
        addresses: &BTreeSet<Ipv4Addr>,
        outcome: &mut Outcome,
    ) {
        let wanted = firewall::firewalls(self.wanted, addresses);
        let renewals = wanted.into_iter().filter_map(|wanted| {
            let there = made
                .firewalls
                .iter()
                .find(|there| there.name == wanted.name)?;
            let differs = !firewall::same_rules(&there.rules, &wanted.rules);
            differs.then_some((there.id, wanted))
        });
        for (id, wanted) in renewals.collect::<Vec<_>>() {
            let item = Item::free(Kind::Firewall, &wanted.name);
            if let Err(error) = make::set_rules(self.client, id, &wanted).await {
                self.progress.tell(&item, State::Failed(error.to_string()));
                outcome.failed.push((Verb::Update, item, error));
            }
        }
    }

    /// Tells how the work on a change goes.
    async fn watched<T>(
        &self,
        change: &Change,
        work: impl Future<Output = Result<T, StepError>>,
    ) -> Result<T, StepError> {
        self.progress.tell(&change.item, State::Begun(change.verb));
        let result = work.await;
        self.progress.tell(
            &change.item,
            match &result {
                Ok(_) => State::Done,
                Err(error) => State::Failed(error.to_string()),
            },
        );
        result
    }
}

impl Outcome {
    /// Whether all was done.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty()
    }

    fn note(&mut self, change: &Change, result: Result<(), StepError>) {
        let (verb, item) = (change.verb, change.item.clone());
        match result {
            Ok(()) => self.done.push((verb, item)),
            Err(error) => self.failed.push((verb, item, error)),
        }
    }
}
