//! A project in the cloud: its resources, the actions that run on them, and what they cost.
//!
//! Nothing here waits. Whoever looks at the project first brings it to the present with
//! [`Project::advance`], which lets everything happen that was due until then, in order.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use super::actions::{Action, Event};
use super::addresses::Addresses;
use super::bill::Ledger;
use super::catalog::Catalog;
use super::clock::Clock;
use super::errors::ApiError;
use super::faults::Faults;
use super::firewalls::Firewall;
use super::floating_ips::FloatingIp;
use super::images::Image;
use super::networks::Network;
use super::pace::{Limits, Pace};
use super::placement_groups::PlacementGroup;
use super::primary_ips::PrimaryIp;
use super::resource::{Meta, Resource, Table};
use super::servers::Server;
use super::ssh_keys::SshKey;
use super::volumes::Volume;

/// Above 32 bits: whoever cuts identifiers off finds out.
const FIRST_ID: i64 = 5_000_000_001;
const FIRST_ACTION_ID: i64 = 580_000_000_000_001;

/// All resources of a project.
#[derive(Debug, Clone, Default, Serialize)]
#[expect(missing_docs, reason = "the kinds of resources")]
pub struct State {
    pub servers: Table<Server>,
    pub firewalls: Table<Firewall>,
    pub networks: Table<Network>,
    pub volumes: Table<Volume>,
    pub floating_ips: Table<FloatingIp>,
    pub placement_groups: Table<PlacementGroup>,
    pub ssh_keys: Table<SshKey>,
    pub primary_ips: Table<PrimaryIp>,
    /// Those of the operating systems, too.
    pub images: Table<Image>,
    pub actions: Table<Action>,
}

impl State {
    /// The server with this name.
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers
            .values()
            .find(|server| server.meta.name == name)
    }
}

/// What happens at a moment, in the order of the numbers.
pub(crate) type Moment = (Instant, u64);

pub(crate) struct Project {
    pub(crate) state: State,
    pub(crate) catalog: Catalog,
    pub(crate) faults: Arc<Faults>,
    pub(crate) ledger: Ledger,
    pub(crate) addresses: Addresses,
    pub(crate) pace: Pace,
    pub(crate) now: Instant,
    pub(crate) due: BTreeMap<Moment, Event>,
    limits: Limits,
    clock: Clock,
    next_id: i64,
    next_action_id: i64,
    next_number: u64,
}

impl fmt::Debug for Project {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Project").finish_non_exhaustive()
    }
}

impl Project {
    pub(crate) fn new(
        catalog: Catalog,
        pace: Pace,
        limits: Limits,
        ipv4: Ipv4Net,
        faults: Arc<Faults>,
    ) -> Self {
        let images = catalog.images.iter().map(Image::of_system);
        let images = images.map(|image| (image.meta.id, image)).collect();
        Self {
            state: State {
                images,
                ..State::default()
            },
            catalog,
            faults,
            ledger: Ledger::default(),
            addresses: Addresses::new(ipv4),
            pace,
            now: Instant::now(),
            due: BTreeMap::new(),
            limits,
            clock: Clock::start(),
            next_id: FIRST_ID,
            next_action_id: FIRST_ACTION_ID,
            next_number: 0,
        }
    }

    /// Lets happen what is due.
    pub(crate) fn advance(&mut self, now: Instant) {
        while let Some(next) = self.due.first_entry().filter(|next| next.key().0 <= now) {
            let ((moment, _), event) = next.remove_entry();
            self.now = moment;
            self.happen(event);
        }
        self.now = now;
    }

    /// The time of day that the API has.
    pub(crate) fn time(&self) -> Timestamp {
        self.time_at(self.now)
    }

    pub(crate) fn time_at(&self, moment: Instant) -> Timestamp {
        self.clock.at(moment, self.faults.skew())
    }

    /// Lets something happen later that is not an action.
    pub(crate) fn later(
        &mut self,
        delay: Duration,
        effect: impl FnOnce(&mut Self) + Send + 'static,
    ) {
        self.schedule(self.now + delay, Event::of_its_own(effect));
    }

    pub(crate) fn schedule(&mut self, moment: Instant, event: Event) {
        self.next_number += 1;
        self.due.insert((moment, self.next_number), event);
    }

    pub(crate) fn next_action_id(&mut self) -> i64 {
        self.next_action_id += 1;
        self.next_action_id - 1
    }

    /// What every new resource has.
    pub(crate) fn meta(&mut self, name: String, labels: Option<super::Labels>) -> Meta {
        self.next_id += 1;
        Meta {
            id: self.next_id - 1,
            name,
            labels: labels.unwrap_or_default(),
            created: self.time(),
            protected: false,
        }
    }

    pub(crate) fn find<T: Resource>(&self, id: i64) -> Result<&T, ApiError> {
        T::table(&self.state)
            .get(&id)
            .ok_or_else(|| ApiError::not_found(T::KIND, id))
    }

    pub(crate) fn find_mut<T: Resource>(&mut self, id: i64) -> Result<&mut T, ApiError> {
        let found = T::table_mut(&mut self.state).get_mut(&id);
        found.ok_or_else(|| ApiError::not_found(T::KIND, id))
    }

    /// What a request refers to in a field: its absence is a mistake in the request.
    pub(crate) fn referred<T: Resource>(&self, field: &str, id: i64) -> Result<&T, ApiError> {
        let found = T::table(&self.state).get(&id);
        found.ok_or_else(|| ApiError::field(field, format!("{} with ID '{id}' not found", T::KIND)))
    }

    /// Changes a resource if it is still there.
    pub(crate) fn change<T: Resource>(&mut self, id: i64, change: impl FnOnce(&mut T)) {
        if let Some(found) = T::table_mut(&mut self.state).get_mut(&id) {
            change(found);
        }
    }

    pub(crate) fn check_unique<T: Resource>(
        &self,
        name: &str,
        except: Option<i64>,
    ) -> Result<(), ApiError> {
        let mut others = T::table(&self.state).values().map(Resource::meta);
        if others.any(|other| other.name == name && Some(other.id) != except) {
            return Err(ApiError::not_unique(T::KIND, "name"));
        }
        Ok(())
    }

    /// Whether there may be one more.
    pub(crate) fn check_limit<T: Resource>(&self) -> Result<(), ApiError> {
        let limit = self
            .faults
            .other_limits()
            .unwrap_or(self.limits)
            .of(T::PLURAL);
        let count = T::table(&self.state)
            .values()
            .filter(|one| one.counts())
            .count();
        if count < limit {
            return Ok(());
        }
        let name = format!("{}_limit", T::KIND);
        let details = serde_json::json!({"limits": [{"name": name}]});
        Err(
            ApiError::new("resource_limit_exceeded", format!("{name} exceeded"))
                .with_details(details),
        )
    }
}
