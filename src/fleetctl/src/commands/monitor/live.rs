//! The screen: what the sources say and what a person types, until one of them ends it.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use crossterm::event::EventStream;
use fleet_telemetry::shutdown;
use futures_util::StreamExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use super::app::App;
use super::keys::action;
use super::now;
use super::sources::Source;
use super::state::State;
use super::view::theme::Theme;
use super::view::view;
use crate::failure::Failure;

/// How often the clock and the ages on the screen change.
const TICK: Duration = Duration::from_secs(1);
/// Reports that wait to be drawn; who has more waits.
const REPORTS: usize = 16;

/// The terminal, which is put back when this is dropped; a panic puts it back before it is told.
struct Screen(ratatui::DefaultTerminal);

impl Screen {
    fn open() -> io::Result<Self> {
        ratatui::try_init().map(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

pub(super) async fn run(mut state: State, sources: Vec<Source>) -> Result<(), Failure> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let error = anyhow!("there is no terminal to draw on");
        let hint = "add --once, which prints what there is now; with -o json for programs";
        return Err(Failure::wrong_command_line(error, hint));
    }
    let stop = shutdown::token()?;
    let mut hangup = signal(SignalKind::hangup())?;
    let (reports, mut received) = mpsc::channel(REPORTS);
    let mut watching = JoinSet::new();
    for source in sources {
        watching.spawn(source.watch(reports.clone()));
    }
    let mut app = App::new(state.snapshot(now()), Theme::of_environment());
    let mut screen = Screen::open().context("cannot draw on the terminal")?;
    let mut events = EventStream::new();
    let mut ticks = interval(TICK);
    loop {
        screen.0.draw(|frame| view(frame, &app))?;
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = hangup.recv() => return Ok(()),
            event = events.next() => match event {
                Some(event) => {
                    let action = action(&event.context("cannot read the keyboard")?);
                    if action.is_some_and(|action| !app.act(action)) {
                        return Ok(());
                    }
                }
                // The terminal is gone.
                None => return Ok(()),
            },
            Some(report) = received.recv() => state.take(report, Instant::now(), now()),
            // A source goes on for ever; one that ends has panicked.
            Some(ended) = watching.join_next() => ended.context("a source has failed")?,
            _ = ticks.tick() => {}
        }
        app.snapshot = state.snapshot(now());
    }
}
