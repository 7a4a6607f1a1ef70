//! Placement groups: servers of one location on different machines, ten at a time.

use std::collections::BTreeMap;

use fleet_api::Placement;

use super::change::{Change, Item, Kind, Step};
use super::found::Found;
use super::plan::Plan;
use super::wanted::{Role, Wanted};

/// How many servers a group may have.
const SIZE: usize = 10;

/// The groups of a fleet while a plan is made: who is in one, and who comes.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// How many regions have a server in a location; where there is one, nothing needs to be spread.
    regions: BTreeMap<String, usize>,
    /// Members by the group's name.
    members: BTreeMap<String, usize>,
    fleet: String,
    spread: bool,
}

impl Groups {
    pub(super) fn of(wanted: &Wanted, found: &Found) -> Self {
        let mut groups = Self {
            fleet: wanted.fleet.clone(),
            spread: wanted.placement == Placement::Spread,
            ..Self::default()
        };
        for server in &wanted.servers {
            if server.role == Role::ControlPlane {
                continue;
            }
            for location in server.locations.iter().take(1) {
                *groups.regions.entry(location.clone()).or_default() += 1;
            }
        }
        // Also those that are going to be deleted: they are in it until then.
        for group in found
            .servers
            .iter()
            .filter_map(|server| server.placement_group.as_ref())
        {
            *groups.members.entry(group.name.clone()).or_default() += 1;
        }
        groups
    }

    /// The group that a new server joins.
    pub(super) fn place(&mut self, server: &str, location: &str) -> Option<String> {
        let several = self.regions.get(location).is_some_and(|&count| count > 1);
        if !self.spread || !several || server.ends_with(fleet_api::names::CONTROL_PLANE) {
            return None;
        }
        let mut names = (1..).map(|number| format!("{}-{location}-{number}", self.fleet));
        let free = |name: &String| self.members.get(name).is_none_or(|&count| count < SIZE);
        let name = names.find(free)?;
        *self.members.entry(name.clone()).or_default() += 1;
        Some(name)
    }

    /// Makes the groups that somebody joins, and deletes those that nobody is in.
    pub(super) fn plan(&self, found: &Found, plan: &mut Plan) {
        let item = |name: &str| Item::free(Kind::PlacementGroup, name);
        for name in self.members.keys() {
            if found
                .placement_groups
                .iter()
                .any(|group| group.name == *name)
            {
                plan.unchanged.push(item(name));
            } else {
                plan.changes
                    .push(Change::create(item(name), Step::CreatePlacementGroup));
            }
        }
        for group in &found.placement_groups {
            if !self.members.contains_key(&group.name) {
                plan.delete(item(&group.name), group.id, "no server is in it");
            }
        }
    }
}
