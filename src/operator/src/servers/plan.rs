//! What has to be done so that what is there becomes what is wanted. Pure: no I/O, no clock of its own.
//!
//! Only what carries the fleet's label is ever in a plan. Servers are compared in `compare`; what stands around them
//! in `around`.

use std::collections::{BTreeMap, BTreeSet};

use fleet_hetzner::Money;
use jiff::Timestamp;

use super::around::{plan_address, plan_firewalls, plan_network, plan_volume};
use super::change::{Change, Item, Kind, ServerStep, Step, Verb};
use super::compare;
use super::found::Found;
use super::groups::Groups;
use super::keys;
use super::offers::Catalogue;
use super::prices;
use super::problem::Problem;
use super::wanted::{Role, Wanted, WantedServer};

/// What each server is told at its first boot, as a digest, by the server's name. A server that is not in it is not
/// compared.
pub type Digests = BTreeMap<String, String>;

/// What has to be done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The changes, in the order in which a person reads them.
    pub changes: Vec<Change>,
    /// What stays as it is.
    pub unchanged: Vec<Item>,
    /// What is in the way. A plan with problems is not carried out.
    pub problems: Vec<Problem>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Prices and stock are needed to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the catalogue is needed")]
pub struct CatalogueNeeded;

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'s> {
    /// What the spec wants.
    pub wanted: &'s Wanted,
    /// What is there.
    pub found: &'s Found,
    /// What servers are told at their first boot.
    pub digests: &'s Digests,
    /// What is sold, if it was asked for.
    pub catalogue: Option<&'s Catalogue>,
    /// Whether the control plane may be made anew.
    pub rebuild_control_plane: bool,
    /// The time, by which it is decided what is still sold.
    pub now: Timestamp,
}

impl Situation<'_> {
    /// The catalogue, which costs requests and so is asked for only where it is needed.
    pub(super) fn catalogue(&self) -> Result<&Catalogue, CatalogueNeeded> {
        self.catalogue.ok_or(CatalogueNeeded)
    }

    /// The network zone of the control plane's server, if it is there.
    pub(super) fn control_plane_zone(&self) -> Option<&str> {
        let control_plane = self
            .wanted
            .servers
            .iter()
            .find(|server| server.role == Role::ControlPlane)?;
        let server = self.found.server(&control_plane.name)?;
        Some(&server.location.network_zone)
    }
}

/// What has to be done.
pub fn plan(situation: Situation<'_>) -> Result<Plan, CatalogueNeeded> {
    let mut plan = Plan::default();
    keys::plan(&situation, &mut plan);
    plan_network(&situation, &mut plan)?;
    let mut groups = Groups::of(situation.wanted, situation.found);
    plan_servers(&situation, &mut groups, &mut plan)?;
    groups.plan(situation.found, &mut plan);
    plan_firewalls(&situation, &mut plan);
    if situation
        .wanted
        .allow_from
        .iter()
        .any(|range| range.ends_with("/0"))
    {
        plan.warnings.push(
            "SSH and the Kubernetes API can be reached from everywhere: write your own addresses into allowFrom"
                .to_owned(),
        );
    }
    // As they are made: keys and networks before servers, and what is deleted last.
    plan.changes
        .sort_by_key(|change| (change.verb == Verb::Delete, change.item.kind));
    Ok(plan)
}

fn plan_servers(
    situation: &Situation<'_>,
    groups: &mut Groups,
    plan: &mut Plan,
) -> Result<(), CatalogueNeeded> {
    let Situation { wanted, found, .. } = situation;
    for server in &wanted.servers {
        let there = found.server(&server.name);
        match there {
            None => plan_new(situation, server, groups, plan)?,
            Some(there) => {
                let outcome = compare::compare(situation, server, there, groups)?;
                match outcome {
                    Ok(None) => plan.unchanged.push(found.server_item(there)),
                    Ok(Some(change)) => plan.changes.push(change),
                    // What is in the way of the control plane alone holds up nothing else.
                    Err(held @ Problem::ControlPlaneHeld { .. }) => {
                        plan.warnings.push(format!("{held}; {}", held.hint()));
                        plan.unchanged.push(found.server_item(there));
                    }
                    Err(problem) => {
                        plan.problems.push(problem);
                        plan.unchanged.push(found.server_item(there));
                    }
                }
            }
        }
        if server.role == Role::ControlPlane {
            let location = there.map(|server| server.location.name.clone());
            plan_volume(situation, server, location.as_deref(), plan);
            plan_address(situation, server, location.as_deref(), plan);
        }
    }
    let names: BTreeSet<&str> = wanted
        .servers
        .iter()
        .map(|server| server.name.as_str())
        .collect();
    for server in &found.servers {
        if !names.contains(server.name.as_str()) {
            plan.delete(
                found.server_item(server),
                server.id,
                "the spec has no such region",
            );
        }
    }
    Ok(())
}

fn plan_new(
    situation: &Situation<'_>,
    server: &WantedServer,
    groups: &mut Groups,
    plan: &mut Plan,
) -> Result<(), CatalogueNeeded> {
    let mut offers = situation.catalogue()?.offers(server, situation.now);
    if server.role == Role::ControlPlane {
        // A volume can only be used where it is.
        let volume = situation
            .found
            .volumes
            .iter()
            .find(|volume| volume.name == server.name);
        let fixed = volume.map(|volume| &volume.location.name);
        offers
            .available
            .retain(|offer| fixed.is_none_or(|location| offer.location == *location));
    }
    let Some(best) = offers.available.first().cloned() else {
        plan.problems.push(Problem::NoOffer {
            server: server.name.clone(),
            refusals: offers.refusals(),
        });
        return Ok(());
    };
    let why = if server.server_types.is_empty() {
        String::new()
    } else {
        offers.better_refusals()
    };
    let group = groups.place(&server.name, &best.location);
    let mut item = Item {
        kind: Kind::Server,
        name: server.name.clone(),
        location: Some(best.location.clone()),
        server_type: Some(best.server_type.clone()),
        monthly: best.monthly,
    };
    if server.role != Role::ControlPlane {
        item.monthly = best
            .monthly
            .map(|price| price + prices::address(&situation.found.pricing, &best.location));
    }
    plan.changes.push(Change {
        verb: Verb::Create,
        item,
        monthly_before: None,
        why,
        step: Step::Server {
            server: server.clone(),
            id: None,
            steps: vec![ServerStep::Create {
                offers: offers.available,
                group,
            }],
        },
    });
    Ok(())
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_converged(&self) -> bool {
        self.changes.is_empty() && self.problems.is_empty()
    }

    /// What all that will be there costs a month, net.
    pub fn monthly_after(&self) -> Money {
        let changed = self
            .changes
            .iter()
            .filter(|change| change.verb != Verb::Delete);
        let changed = changed.filter_map(|change| change.item.monthly);
        let unchanged = self.unchanged.iter().filter_map(|item| item.monthly);
        changed.chain(unchanged).sum()
    }

    /// What all that is there costs a month, net.
    pub fn monthly_before(&self) -> Money {
        let changed = self
            .changes
            .iter()
            .filter_map(|change| change.monthly_before);
        let unchanged = self.unchanged.iter().filter_map(|item| item.monthly);
        changed.chain(unchanged).sum()
    }

    pub(super) fn delete(&mut self, item: Item, id: i64, why: &str) {
        self.changes.push(Change {
            verb: Verb::Delete,
            monthly_before: item.monthly,
            item,
            why: why.to_owned(),
            step: Step::Delete { id },
        });
    }

    /// Whether a server is made, or made anew.
    pub(super) fn makes(&self, server: &str) -> bool {
        self.changes.iter().any(|change| {
            let anew = matches!(change.verb, Verb::Create | Verb::Rebuild);
            anew && change.item.kind == Kind::Server && change.item.name == server
        })
    }

    /// Where a server is going to be.
    pub(super) fn location_of(&self, server: &str) -> Option<&str> {
        let change = self
            .changes
            .iter()
            .find(|change| change.item.kind == Kind::Server && change.item.name == server);
        change.and_then(|change| change.item.location.as_deref())
    }
}
