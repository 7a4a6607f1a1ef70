//! What is there, what a plan makes of it, and what of that is the operator's to do.

use std::collections::{BTreeMap, BTreeSet};

use fleet_api::{ServerUpdate, UpdatePolicy};
use fleet_hetzner::{Client, Error, Server, ServerStatus};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::decide::{Decision, NodeSeen, Work, World};
use super::memory::STOCK;
use super::view;
use crate::servers::{
    Catalogue, CatalogueNeeded, Change, Found, Kind, Plan, Problem, Role, ServerStep, Setup,
    SetupError, Situation, Step, Verb, Wanted, plan, same_rules,
};

/// What was seen of a project.
#[derive(Debug, Clone)]
pub(super) struct Look {
    found: Found,
    /// What is sold, and when that was asked for.
    catalogue: Option<Catalogue>,
    asked: Option<Instant>,
    /// When all the rest was seen.
    pub(super) at: Instant,
}

impl Look {
    /// Looks at everything.
    pub(super) async fn full(client: &Client, spec: &Wanted) -> Result<Self, Error> {
        Ok(Self {
            found: Found::find(client, spec).await?,
            catalogue: None,
            asked: None,
            at: Instant::now(),
        })
    }

    /// The same with what is sold.
    pub(super) async fn with_catalogue(
        mut self,
        client: &Client,
        spec: &Wanted,
    ) -> Result<Self, Error> {
        self.catalogue = Some(Catalogue::read(client, &spec.image).await?);
        self.asked = Some(Instant::now());
        Ok(self)
    }

    /// The same with the servers of today.
    pub(super) fn with(&self, servers: Vec<Server>) -> Self {
        let is_young = self
            .asked
            .is_some_and(|asked| asked + STOCK > Instant::now());
        Self {
            found: Found {
                servers,
                ..self.found.clone()
            },
            catalogue: self.catalogue.clone().filter(|_| is_young),
            asked: self.asked,
            at: self.at,
        }
    }
}

/// What is there and what a plan makes of it.
#[derive(Debug)]
pub(super) struct Picture {
    /// What is wanted, as it is seen from within the cluster.
    pub(super) wanted: Wanted,
    pub(super) look: Look,
    /// Changes of what stands around servers.
    pub(super) around: Vec<Change>,
    /// Changes of the regions' servers, by name.
    pub(super) changes: BTreeMap<String, Change>,
    /// What is in the way.
    pub(super) problems: Vec<Problem>,
    /// Servers that are not as they would be made today and stay so, because the spec says that.
    pub(super) outdated: BTreeSet<String>,
}

/// No picture can be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unclear {
    #[error(transparent)]
    Catalogue(#[from] CatalogueNeeded),
    #[error(transparent)]
    Setup(#[from] SetupError),
}

impl Picture {
    pub(super) fn of(
        spec: &Wanted,
        look: Look,
        setup: &Setup,
        policy: ServerUpdate,
    ) -> Result<Self, Unclear> {
        let found = &look.found;
        let wanted = view::from_within(spec.clone(), &found.servers);
        let mut digests = setup.digests(&wanted, found)?;
        // What is going to go does not have to be up to date.
        digests.retain(|name, _| spec.servers.iter().any(|server| server.name == *name));
        let plan = plan(Situation {
            wanted: &wanted,
            found,
            digests: &digests,
            catalogue: look.catalogue.as_ref(),
            rebuild_control_plane: false,
            now: Timestamp::now(),
        })?;
        let mut picture = Self {
            wanted,
            look,
            around: Vec::new(),
            changes: BTreeMap::new(),
            problems: Vec::new(),
            outdated: BTreeSet::new(),
        };
        picture.sort(spec, plan, policy);
        Ok(picture)
    }

    pub(super) fn found(&self) -> &Found {
        &self.look.found
    }

    pub(super) fn catalogue(&self) -> Option<&Catalogue> {
        self.look.catalogue.as_ref()
    }

    /// Asks what is sold, if that is not known.
    pub(super) async fn ask_for_catalogue(
        &mut self,
        client: &Client,
        spec: &Wanted,
    ) -> Result<(), Error> {
        if self.look.catalogue.is_none() {
            self.look = self.look.clone().with_catalogue(client, spec).await?;
        }
        Ok(())
    }

    /// Takes from a plan what is the operator's to do.
    fn sort(&mut self, spec: &Wanted, plan: Plan, policy: ServerUpdate) {
        let control_plane = view::control_plane(spec);
        let is_there = self
            .found()
            .servers
            .iter()
            .any(|it| it.name == control_plane);
        let ours: BTreeSet<String> = view::servers(spec, &self.found().servers)
            .into_keys()
            .collect();
        let without_key = |problem: &Problem| matches!(problem, Problem::NoSshKey { .. });
        let lacks_key = plan.problems.iter().any(without_key);
        for mut change in plan.changes {
            let name = change.item.name.clone();
            if change.item.kind != Kind::Server {
                // A firewall for a server that is not there.
                let is_for_nobody = name == control_plane && !is_there;
                if !is_for_nobody && !self.says_nothing_new(&change) {
                    self.around.push(change);
                }
                continue;
            }
            let Step::Server { server, id, .. } = &change.step else {
                continue;
            };
            let is_wanted = spec.servers.iter().any(|wanted| wanted.name == server.name);
            let may_touch = id.is_none() || ours.contains(&name);
            if server.role == Role::ControlPlane || !is_wanted || !may_touch {
                continue;
            }
            if policy == ServerUpdate::Keep && self.stays_outdated(&mut change) {
                continue;
            }
            // Who may log in is told at the first boot, and not later.
            if lacks_key && work(&change) != Work::Touch {
                continue;
            }
            self.changes.insert(name, change);
        }
        self.problems = plan.problems;
    }

    /// New servers bring new addresses, and the firewall gets those when they are known.
    fn says_nothing_new(&self, change: &Change) -> bool {
        let Step::UpdateFirewall {
            id,
            wanted,
            reapply: false,
        } = &change.step
        else {
            return false;
        };
        let mut firewalls = self.found().firewalls.iter();
        firewalls.any(|there| there.id == *id && same_rules(&there.rules, &wanted.rules))
    }

    /// Takes the rebuild out of a change. True if nothing is left of it.
    fn stays_outdated(&mut self, change: &mut Change) -> bool {
        let name = &change.item.name;
        let Step::Server { steps, .. } = &mut change.step else {
            return false;
        };
        let before = steps.len();
        steps.retain(|step| !matches!(step, ServerStep::Rebuild { .. }));
        if steps.len() == before {
            return false;
        }
        self.outdated.insert(name.clone());
        // A rebuild would have started it.
        let there = self.look.found.servers.iter().find(|it| it.name == *name);
        if there.is_some_and(|server| server.status == ServerStatus::Off) {
            steps.push(ServerStep::PowerOn);
        }
        change.verb = Verb::Update;
        steps.is_empty()
    }

    /// The world of a decision.
    pub(super) fn world(
        &self,
        spec: &Wanted,
        nodes: BTreeMap<String, NodeSeen>,
        policy: &UpdatePolicy,
    ) -> World {
        let servers = view::servers(spec, &self.found().servers);
        let minutes = i64::from(policy.replace_not_ready_minutes);
        let stuck = self.problems.iter().filter_map(|problem| match problem {
            Problem::NoOffer { server, .. } if !servers.contains_key(server) => {
                Some(server.clone())
            }
            _ => None,
        });
        World {
            wanted: view::regions(spec)
                .map(|(_, server)| server.name.clone())
                .collect(),
            stuck: stuck.collect(),
            servers: servers
                .iter()
                .map(|(name, server)| (name.clone(), view::server(server)))
                .collect(),
            nodes,
            work: self
                .changes
                .iter()
                .map(|(name, change)| (name.clone(), work(change)))
                .collect(),
            replace_after: (minutes > 0).then(|| SignedDuration::from_mins(minutes)),
            now: Timestamp::now(),
        }
    }

    /// Whether a decision carries out what was planned.
    pub(super) fn is_acted_on(&self, decision: &Decision) -> bool {
        !self.around.is_empty() || decision.acts.iter().any(super::Act::is_planned)
    }
}

fn work(change: &Change) -> Work {
    let Step::Server { id, steps, .. } = &change.step else {
        return Work::Touch;
    };
    let stops = |step: &ServerStep| {
        matches!(
            step,
            ServerStep::Rebuild { .. } | ServerStep::Rescale { .. } | ServerStep::Delete
        )
    };
    match id {
        None => Work::Create,
        Some(_) if steps.iter().any(stops) => Work::Disrupt,
        Some(_) => Work::Touch,
    }
}
