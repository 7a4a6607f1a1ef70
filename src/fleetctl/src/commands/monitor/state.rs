//! What the sources have said so far, put together.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_api::Manifest;
use jiff::Timestamp;
use tokio::time::Instant;

use super::history::History;
use super::snapshot::{Archives, Cost, Origin, Phase, Pod, Problem, Region, Server, Snapshot};
use super::sources::metrics::{ClientFigures, Figures};
use super::sources::{Answer, Report};

/// What the sources have said.
#[derive(Debug, Default)]
pub(super) struct State {
    fleet: Option<String>,
    watched: Vec<Origin>,
    interval: Duration,
    /// Regions in the order of the spec, with their locations; others are added as they are heard of.
    regions: Vec<(String, Option<String>)>,
    /// What the process at each address said last.
    processes: BTreeMap<String, Latest<Figures>>,
    histories: BTreeMap<String, History>,
    servers: Latest<(Vec<Server>, Cost)>,
    pods: Latest<Vec<Pod>>,
    archives: Latest<Archives>,
    /// What cannot be asked, and why.
    unusable: Vec<Problem>,
}

/// The last good answer, and what has gone wrong since.
#[derive(Debug)]
struct Latest<T> {
    good: Option<T>,
    error: Option<String>,
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self {
            good: None,
            error: None,
        }
    }
}

impl<T> Latest<T> {
    fn take(&mut self, answer: Answer<T>) {
        match answer {
            Ok(good) => {
                *self = Self {
                    good: Some(good),
                    error: None,
                }
            }
            Err(error) => self.error = Some(error),
        }
    }
}

impl State {
    pub(super) fn new(
        manifest: Option<&Manifest>,
        watched: Vec<Origin>,
        interval: Duration,
    ) -> Self {
        let regions = manifest.map(|manifest| manifest.collector.spec.regions.as_slice());
        let regions = regions.unwrap_or_default().iter();
        Self {
            fleet: manifest.map(|manifest| manifest.name().to_owned()),
            watched,
            interval,
            regions: regions
                .map(|region| (region.name.clone(), region.location.clone()))
                .collect(),
            ..Self::default()
        }
    }

    pub(super) fn take(&mut self, report: Report, now: Instant, at: Timestamp) {
        match report {
            Report::Metrics(address, answer) => self.take_metrics(address, answer, now, at),
            Report::Servers(answer) => self.servers.take(answer),
            Report::Pods(answer) => self.pods.take(answer),
            Report::Archives(answer) => self.archives.take(answer),
            Report::Unusable(source, message) => self.unusable = vec![Problem { source, message }],
        }
    }

    fn take_metrics(
        &mut self,
        address: String,
        answer: Answer<Figures>,
        now: Instant,
        at: Timestamp,
    ) {
        let process = self.processes.entry(address).or_default();
        if let (Err(_), Some(figures)) = (&answer, &process.good) {
            for client in figures.clients.keys() {
                self.histories
                    .entry(client.clone())
                    .or_default()
                    .note(now, at, None);
            }
        }
        if let Ok(figures) = &answer {
            for (client, figures) in &figures.clients {
                if self.regions.iter().all(|(name, _)| name != client) {
                    self.regions.push((client.clone(), None));
                }
                let history = self.histories.entry(client.clone()).or_default();
                history.note(now, at, Some(figures.searches));
            }
        }
        process.take(answer);
    }

    pub(super) fn snapshot(&self, at: Timestamp) -> Snapshot {
        let servers = self.servers.good.as_ref();
        Snapshot {
            fleet: self.fleet.clone(),
            at,
            regions: self
                .regions
                .iter()
                .map(|(name, location)| self.region(name, location.as_ref()))
                .collect(),
            servers: servers
                .map(|(servers, _)| servers.clone())
                .unwrap_or_default(),
            pods: self.pods.good.clone().unwrap_or_default(),
            archives: self.archives.good.clone(),
            monthly_cost: servers.map(|(_, cost)| cost.clone()),
            errors: self.errors(),
            watched: self.watched.clone(),
            interval: self.interval,
            shipping: self.shipping(),
        }
    }

    fn region(&self, name: &str, location: Option<&String>) -> Region {
        let process = self.processes.values().find_map(|process| {
            let figures = process.good.as_ref()?;
            Some((process, figures, figures.clients.get(name)?))
        });
        let history = self.histories.get(name);
        let answered = process.is_some_and(|(process, ..)| process.error.is_none());
        let figures = process.map(|(_, figures, _)| figures);
        let client = process.map(|(.., client)| client);
        let shipping = figures.and_then(|figures| figures.shipping);
        let own = |value: fn(&ClientFigures) -> u64| client.map(value);
        Region {
            name: name.to_owned(),
            location: location.cloned(),
            phase: match client {
                None => Phase::Unknown,
                Some(_) if !answered => Phase::Unreachable,
                Some(client) => phase(client),
            },
            branch_level: own(|client| client.branch_level),
            children: own(|client| client.children),
            searches_per_second: history.and_then(History::rate),
            searches: own(|client| client.searches),
            duplicates: own(|client| client.duplicates),
            spool_pending: figures.map(|figures| figures.pending),
            database_waiting: shipping.map(|shipping| shipping.waiting),
            stalled: figures.is_some_and(|figures| figures.stalled)
                || shipping.is_some_and(|shipping| shipping.stalled),
            last_record_at: history.and_then(|history| history.grown_at),
            history: history.map(History::series).unwrap_or_default(),
        }
    }

    fn shipping(&self) -> Option<(u64, u64)> {
        let good = self
            .processes
            .values()
            .filter_map(|process| process.good.as_ref());
        let shipping = good.filter_map(|figures| figures.shipping);
        shipping
            .map(|shipping| (shipping.shipped, shipping.waiting))
            .reduce(|a, b| (a.0 + b.0, a.1 + b.1))
    }

    fn errors(&self) -> Vec<Problem> {
        let processes = self.processes.iter().filter_map(|(address, process)| {
            let error = process.error.as_ref()?;
            Some((Origin::Metrics, format!("{address}: {error}")))
        });
        let others = [
            (Origin::Servers, &self.servers.error),
            (Origin::Pods, &self.pods.error),
            (Origin::Archives, &self.archives.error),
        ];
        let others = others
            .into_iter()
            .filter_map(|(source, error)| Some((source, error.clone()?)));
        let problems = processes.chain(others);
        let problems = problems.map(|(source, message)| Problem { source, message });
        problems.chain(self.unusable.iter().cloned()).collect()
    }
}

fn phase(client: &ClientFigures) -> Phase {
    match client {
        ClientFigures {
            connected: false, ..
        } => Phase::Disconnected,
        ClientFigures { fed: false, .. } => Phase::Searching,
        ClientFigures {
            branch_level: 0, ..
        } => Phase::Root,
        ClientFigures { .. } => Phase::Fed,
    }
}
