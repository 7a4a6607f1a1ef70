//! What costs money, and how much it has cost: every started hour until the resource is deleted.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use super::catalog::Price;
use super::clock::started_hours;
use super::labels::Labels;
use super::money::Money;
use super::project::Project;
use super::resource::{Meta, Resource};

/// Of a month with 30 days, the unit in which long times are counted.
const HOURS_A_MONTH: u64 = 720;

/// What a project has to pay.
#[derive(Debug, Clone, Serialize)]
pub struct Bill {
    /// What exists and costs money with each hour.
    pub running: Vec<Item>,
    /// What is gone and has to be paid all the same.
    pub ended: Vec<Item>,
    /// All of it together.
    pub accrued: Money,
    /// What the next hour costs.
    pub hourly: Money,
}

impl Bill {
    /// What exists and carries a label with this value.
    pub fn running_with(&self, label: &str, value: &str) -> Vec<&Item> {
        let carries = |item: &&Item| item.labels.get(label).is_some_and(|found| found == value);
        self.running.iter().filter(carries).collect()
    }
}

/// One line of the bill.
#[derive(Debug, Clone, Serialize)]
pub struct Item {
    /// `server`, `primary_ip`, `volume`, `floating_ip`, `image`, or `server_backup`.
    pub kind: &'static str,
    /// Of the resource.
    pub id: i64,
    /// Its name now, or when it ended.
    pub name: String,
    /// Its labels now, or when it ended.
    pub labels: Labels,
    /// What is paid for, for example `cpx11 in ash`.
    pub what: String,
    /// From this time.
    pub since: Timestamp,
    /// Hours that were started.
    pub hours: u64,
    /// For each of them.
    pub hourly: Money,
    /// 720 hours do not cost more.
    pub monthly: Money,
    /// Up to now, or to its end.
    pub accrued: Money,
}

#[derive(Debug)]
struct Entry {
    kind: &'static str,
    id: i64,
    what: String,
    price: Price,
    since: Instant,
}

/// What is paid for now, and what was.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    running: Vec<Entry>,
    ended: Vec<Item>,
}

impl Price {
    /// Of something that has only a price for a month.
    pub(crate) fn of_month(monthly: Money) -> Self {
        let hourly = monthly.divided_by(HOURS_A_MONTH);
        Self { hourly, monthly }
    }

    /// What so many hours cost.
    fn of_hours(&self, hours: u64) -> Money {
        let rest = self.hourly.times(hours % HOURS_A_MONTH).min(self.monthly);
        self.monthly.times(hours / HOURS_A_MONTH) + rest
    }
}

impl Entry {
    fn item(&self, meta: Option<&Meta>, project: &Project) -> Item {
        let passed: Duration = project.now.saturating_duration_since(self.since);
        let hours = started_hours(passed);
        Item {
            kind: self.kind,
            id: self.id,
            name: meta.map(|meta| meta.name.clone()).unwrap_or_default(),
            labels: meta.map(|meta| meta.labels.clone()).unwrap_or_default(),
            what: self.what.clone(),
            since: project.time_at(self.since),
            hours,
            hourly: self.price.hourly,
            monthly: self.price.monthly,
            accrued: self.price.of_hours(hours),
        }
    }
}

impl Project {
    /// From now on a resource costs this.
    pub(crate) fn charge(&mut self, kind: &'static str, id: i64, what: String, price: Price) {
        let since = self.now;
        self.ledger.running.push(Entry {
            kind,
            id,
            what,
            price,
            since,
        });
    }

    /// A resource costs nothing from now on. To be called while it is still there.
    pub(crate) fn discharge(&mut self, kind: &str, id: i64) {
        let gone = |entry: &mut Entry| entry.kind == kind && entry.id == id;
        let entries: Vec<_> = self.ledger.running.extract_if(.., gone).collect();
        for entry in entries {
            let item = entry.item(self.meta_of(entry.kind, id), self);
            self.ledger.ended.push(item);
        }
    }

    pub(crate) fn bill(&self) -> Bill {
        let running: Vec<_> = self
            .ledger
            .running
            .iter()
            .map(|entry| entry.item(self.meta_of(entry.kind, entry.id), self))
            .collect();
        let ended = self.ledger.ended.clone();
        Bill {
            accrued: running.iter().chain(&ended).map(|item| item.accrued).sum(),
            hourly: running.iter().map(|item| item.hourly).sum(),
            running,
            ended,
        }
    }

    fn meta_of(&self, kind: &str, id: i64) -> Option<&Meta> {
        let state = &self.state;
        match kind {
            "image" => state.images.get(&id).map(Resource::meta),
            "floating_ip" => state.floating_ips.get(&id).map(Resource::meta),
            "volume" => state.volumes.get(&id).map(Resource::meta),
            "primary_ip" => state.primary_ips.get(&id).map(Resource::meta),
            _ => state.servers.get(&id).map(Resource::meta),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_has_a_highest_price() {
        let money = |text| Money::parse(text).unwrap();
        let price = Price {
            hourly: money("0.0280"),
            monthly: money("17.49"),
        };
        assert_eq!(price.of_hours(1).to_string(), "0.028");
        assert_eq!(price.of_hours(719).to_string(), "17.49");
        assert_eq!(price.of_hours(721).to_string(), "17.518");
    }
}
