//! Where the monitor's knowledge comes from. Each source is asked by itself, as often as it is worth it; what goes wrong
//! with one does not hold up the others.

pub(super) mod archives;
mod exposition;
pub(super) mod hetzner;
pub(super) mod metrics;
pub(super) mod pods;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use self::archives::ArchiveSource;
use self::hetzner::HetznerSource;
use self::metrics::{Figures, MetricsSource};
use self::pods::PodSource;
use super::snapshot::{Archives, Cost, Origin, Pod, Server};

/// A source that says nothing for so long is told to be silent.
const PATIENCE: Duration = Duration::from_secs(30);
/// Months are archived once a month; files disappear at any time.
const ARCHIVES: Duration = Duration::from_mins(1);
/// As people look at pods who wait for them.
const PODS: Duration = Duration::from_secs(5);
/// Three requests each: a tenth of what a project has an hour.
const SERVERS: Duration = Duration::from_secs(30);

/// Something that can be asked.
#[derive(Debug)]
pub(super) enum Source {
    Metrics(MetricsSource, Duration),
    Servers(HetznerSource),
    Pods(PodSource),
    Archives(ArchiveSource),
    /// It cannot be asked, for this reason.
    Unusable(Origin, String),
}

/// What a source has answered, or why it has not.
#[derive(Debug)]
pub(super) enum Report {
    /// Of the process at an address.
    Metrics(String, Answer<Figures>),
    Servers(Answer<(Vec<Server>, Cost)>),
    Pods(Answer<Vec<Pod>>),
    Archives(Answer<Archives>),
    Unusable(Origin, String),
}

/// An answer, or in words what went wrong.
pub(super) type Answer<T> = Result<T, String>;

impl Source {
    pub(super) fn origin(&self) -> Origin {
        match self {
            Self::Metrics(..) => Origin::Metrics,
            Self::Servers(_) => Origin::Servers,
            Self::Pods(_) => Origin::Pods,
            Self::Archives(_) => Origin::Archives,
            Self::Unusable(origin, _) => *origin,
        }
    }

    fn interval(&self) -> Duration {
        match self {
            Self::Metrics(_, interval) => *interval,
            Self::Servers(_) => SERVERS,
            Self::Pods(_) => PODS,
            Self::Archives(_) | Self::Unusable(..) => ARCHIVES,
        }
    }

    /// Asks once.
    pub(super) async fn poll(&self) -> Report {
        match self {
            Self::Metrics(source, _) => {
                Report::Metrics(source.url.to_string(), told(source.poll()).await)
            }
            Self::Servers(source) => Report::Servers(told(source.poll()).await),
            Self::Pods(source) => Report::Pods(told(source.poll()).await),
            Self::Archives(source) => Report::Archives(told(source.poll()).await),
            Self::Unusable(origin, reason) => Report::Unusable(*origin, reason.clone()),
        }
    }

    /// Asks again and again, until nobody listens.
    pub(super) async fn watch(self, reports: mpsc::Sender<Report>) {
        let mut ticks = interval(self.interval());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if reports.send(self.poll().await).await.is_err() {
                return;
            }
        }
    }
}

async fn told<T>(asked: impl Future<Output = Result<T, anyhow::Error>>) -> Answer<T> {
    match timeout(PATIENCE, asked).await {
        Ok(answer) => answer.map_err(|error| format!("{error:#}")),
        Err(_) => Err(format!("no answer in {} seconds", PATIENCE.as_secs())),
    }
}
