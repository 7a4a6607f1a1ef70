//! How `fleetctl up` shows what happens: a live line for each region, for the canary and for the database on a terminal,
//! plain lines elsewhere. Logs go through here, too, so that they do not tear the live lines.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use fleet_api::names::CANARY_CLIENT;
use fleet_collector::{CanaryState, Fleet, Phase, RunningRegion, State};
use fleet_store::{ShipStatus, SpoolStatus};
use indicatif::{
    HumanCount, HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;

use crate::printer;

/// How often live lines change.
const LIVE: Duration = Duration::from_millis(250);
/// How often plain lines are printed.
const PLAIN: Duration = Duration::from_secs(5);
/// The rate is taken over this time.
const RATE_WINDOW: Duration = Duration::from_secs(5);
/// The name of the database's line.
const DATABASE: &str = "database";

/// Shows the progress of a fleet.
#[derive(Debug)]
pub(crate) struct Progress {
    lines: MultiProgress,
    live: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let live = io::stderr().is_terminal();
        let target = if live {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            lines: MultiProgress::with_draw_target(target),
            live,
        }
    }

    /// Live lines say what the ordinary logs would.
    pub(crate) fn default_log_level(&self) -> &'static str {
        if self.live { "warn" } else { "info" }
    }

    /// Where logs go: to standard error, above the live lines.
    pub(crate) fn log_writer(&self) -> LogWriter {
        LogWriter(self.lines.clone())
    }

    /// Shows the fleet until the answer is stopped.
    pub(crate) fn watch(&self, fleet: &Fleet) -> Watching {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = if self.live {
            tokio::spawn(Live::new(&self.lines, fleet).run(stopped))
        } else {
            let lines = fleet.regions().into_iter().map(Line::new).collect();
            tokio::spawn(plain(lines, Sources::of(fleet), stopped))
        };
        Watching { stop, task }
    }
}

/// A display that runs.
#[derive(Debug)]
pub(crate) struct Watching {
    stop: CancellationToken,
    task: JoinHandle<u64>,
}

impl Watching {
    /// Ends the display; gives the number of searches that were recorded.
    pub(crate) async fn stop(self) -> u64 {
        self.stop.cancel();
        self.task.await.unwrap_or_default()
    }
}

/// One region's line, with what is needed to tell its rate.
#[derive(Debug)]
struct Line {
    region: RunningRegion,
    samples: std::collections::VecDeque<(Instant, u64)>,
}

impl Line {
    fn new(region: RunningRegion) -> Self {
        Self {
            region,
            samples: std::collections::VecDeque::new(),
        }
    }

    fn state(&self) -> State {
        self.region.state.borrow().clone()
    }

    /// Searches a second over the last while.
    fn rate(&mut self, now: Instant, recorded: u64) -> f64 {
        self.samples.push_back((now, recorded));
        while self.samples.len() > 2 && now - self.samples[1].0 >= RATE_WINDOW {
            self.samples.pop_front();
        }
        let (since, before) = self.samples[0];
        let seconds = (now - since).as_secs_f64();
        let more = u32::try_from(recorded - before).unwrap_or(u32::MAX);
        if seconds > 0.0 {
            f64::from(more) / seconds
        } else {
            0.0
        }
    }
}

fn phase(phase: &Phase) -> String {
    match phase {
        Phase::Connecting => "connecting".to_owned(),
        Phase::Searching => "looking for a parent".to_owned(),
        Phase::Fed { level } => format!("parent found, level {level}"),
        Phase::Root => "branch root".to_owned(),
        Phase::Waiting { reason, until } => {
            let left = until.saturating_duration_since(Instant::now()).as_secs();
            format!("{reason}; next try in {left} s")
        }
        Phase::Refused(refusal) => format!("stopped: {refusal}"),
    }
}

/// What is shown beside the regions.
#[derive(Debug)]
struct Sources {
    spool: watch::Receiver<SpoolStatus>,
    canary: Option<watch::Receiver<CanaryState>>,
    /// Where the spec names a database.
    shipping: Option<watch::Receiver<ShipStatus>>,
}

impl Sources {
    fn of(fleet: &Fleet) -> Self {
        Self {
            spool: fleet.spool_status(),
            canary: fleet.canary(),
            shipping: fleet.shipping(),
        }
    }

    /// The lines after those of the regions: a name and a text each.
    fn lines(&self) -> impl Iterator<Item = (&'static str, String)> {
        let canary = self.canary.as_ref().map(canary_line);
        let shipping = self.shipping.as_ref().map(shipping_line);
        let canary = canary.map(|text| (CANARY_CLIENT, text));
        canary
            .into_iter()
            .chain(shipping.map(|text| (DATABASE, text)))
    }
}

/// What the canary has done, and why it does no more.
fn canary_line(canary: &watch::Receiver<CanaryState>) -> String {
    let CanaryState { sent, trouble } = canary.borrow().clone();
    let trouble = trouble.map(|trouble| format!("; {trouble}"));
    format!("{} sent{}", HumanCount(sent), trouble.unwrap_or_default())
}

/// What the database has got from this process, what it has not, and why nothing gets there at the moment.
fn shipping_line(shipping: &watch::Receiver<ShipStatus>) -> String {
    let status = shipping.borrow().clone();
    let (shipped, waiting) = (HumanCount(status.shipped), HumanCount(status.waiting));
    let trouble = status
        .trouble
        .map(|trouble| format!("; stalled: {trouble}"));
    format!(
        "{shipped} shipped, {waiting} waiting{}",
        trouble.unwrap_or_default()
    )
}

fn total<'l>(lines: impl Iterator<Item = &'l Line>) -> u64 {
    lines.map(|line| line.state().recorded).sum()
}

/// The lines on a terminal.
#[derive(Debug)]
struct Live {
    title: String,
    started: Instant,
    head: ProgressBar,
    lines: Vec<(Line, ProgressBar)>,
    /// A bar for each of the lines of the sources.
    others: Vec<ProgressBar>,
    sources: Sources,
}

impl Live {
    fn new(screen: &MultiProgress, fleet: &Fleet) -> Self {
        let regions = fleet.regions();
        let sources = Sources::of(fleet);
        let names: Vec<&str> = sources.lines().map(|(name, _)| name).collect();
        let width = regions
            .iter()
            .map(|region| region.client_id.len())
            .chain(names.iter().map(|name| name.len()))
            .max()
            .unwrap_or(0);
        let bar = |template: &str| {
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            screen.add(ProgressBar::new_spinner().with_style(style))
        };
        let head = bar("{spinner:.green} {msg}");
        let named =
            |name: String| bar(&format!("  {{prefix:{width}.bold}}  {{msg}}")).with_prefix(name);
        let lines = regions
            .into_iter()
            .map(|region| {
                let bar = named(region.client_id.clone());
                (Line::new(region), bar)
            })
            .collect();
        let others = names.iter().map(|name| named((*name).to_owned())).collect();
        Self {
            title: format!("recording to {}", fleet.spool_path().display()),
            started: Instant::now(),
            head,
            lines,
            others,
            sources,
        }
    }

    async fn run(mut self, stop: CancellationToken) -> u64 {
        let mut ticks = interval(LIVE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.draw();
        }
        self.draw();
        self.head.finish();
        for bar in self.lines.iter().map(|(_, bar)| bar).chain(&self.others) {
            bar.finish();
        }
        total(self.lines.iter().map(|(line, _)| line))
    }

    fn draw(&mut self) {
        let now = Instant::now();
        let status = self.sources.spool.borrow().clone();
        let waiting = match status.stalled {
            Some(reason) => format!("not writing: {reason}"),
            None => format!("{} waiting", HumanCount(status.pending)),
        };
        let up = HumanDuration(now - self.started);
        self.head
            .set_message(format!("{}  ·  up {up}  ·  spool: {waiting}", self.title));
        self.head.tick();
        for (line, bar) in &mut self.lines {
            let state = line.state();
            let rate = line.rate(now, state.recorded);
            bar.set_message(format!(
                "{rate:>7.1}/s  {:>11} searches  {:<24}{}",
                HumanCount(state.recorded).to_string(),
                phase(&state.phase),
                if state.children > 0 {
                    format!("  children {}", state.children)
                } else {
                    String::new()
                },
            ));
        }
        for (bar, (_, text)) in self.others.iter().zip(self.sources.lines()) {
            bar.set_message(text);
        }
    }
}

/// A line for each region and the others every few seconds and at the end, on standard output.
async fn plain(mut lines: Vec<Line>, sources: Sources, stop: CancellationToken) -> u64 {
    let mut ticks = interval(PLAIN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        print_lines(&mut lines, &sources);
    }
    print_lines(&mut lines, &sources);
    total(lines.iter())
}

fn print_lines(lines: &mut [Line], sources: &Sources) {
    let waiting = sources.spool.borrow().pending;
    for line in lines {
        let state = line.state();
        let rate = line.rate(Instant::now(), state.recorded);
        let text = format!(
            "{}: {}, {rate:.1} searches/s, {} recorded, {} duplicates, {waiting} waiting for the spool",
            line.region.client_id,
            phase(&state.phase),
            state.recorded,
            state.duplicates,
        );
        // Nobody reads any more: recording goes on.
        let _ = printer::line(&text);
    }
    for (name, text) in sources.lines() {
        let _ = printer::line(&format!("{name}: {text}"));
    }
}

/// Writes a log line above the live lines.
#[derive(Debug, Clone)]
pub(crate) struct LogWriter(MultiProgress);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'writer> MakeWriter<'writer> for LogWriter {
    type Writer = Self;

    fn make_writer(&'writer self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_databases_line_says_what_is_there_what_is_not_and_why() {
        let mut status = ShipStatus {
            shipped: 12_345,
            waiting: 6_789,
            failures: 2,
            ..ShipStatus::default()
        };
        let (sender, receiver) = watch::channel(status.clone());
        assert_eq!(shipping_line(&receiver), "12,345 shipped, 6,789 waiting");
        status.trouble = Some("its disk is full; make room".to_owned());
        sender.send_replace(status);
        assert_eq!(
            shipping_line(&receiver),
            "12,345 shipped, 6,789 waiting; stalled: its disk is full; make room"
        );
    }
}
