//! How the work on a fleet's servers goes on: a line for each that is being worked on where there is a terminal, a
//! line an event elsewhere.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::Duration;

use fleet_operator::servers::{Event, Item, Kind, Progress, State};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use owo_colors::OwoColorize;
use tokio::sync::mpsc::UnboundedReceiver;

use super::table::{kind, verb};
use crate::printer;

const TICK: Duration = Duration::from_millis(120);

/// Shows how the work goes on until it is done.
pub(crate) async fn shown<T>(work: impl AsyncFnOnce(&Progress) -> T) -> T {
    let (progress, events) = Progress::watched();
    let display = Display::new();
    let work = async {
        let result = work(&progress).await;
        // The display ends when nobody can tell it anything any more.
        drop(progress);
        result
    };
    let (result, ()) = tokio::join!(work, display.run(events));
    result
}

struct Display {
    lines: MultiProgress,
    live: bool,
    bars: BTreeMap<(Kind, String), ProgressBar>,
}

impl Display {
    fn new() -> Self {
        let live = io::stderr().is_terminal();
        let target = if live {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            lines: MultiProgress::with_draw_target(target),
            live,
            bars: BTreeMap::new(),
        }
    }

    async fn run(mut self, mut events: UnboundedReceiver<Event>) {
        while let Some(Event { item, state }) = events.recv().await {
            let name = format!("{} {}", kind(item.kind), item.name);
            match state {
                State::Begun(what) if self.live => {
                    self.begin(&item, &format!("{} {name}", verb(what)));
                }
                State::Begun(what) => printer::note(&format!("{} {name} ...", verb(what))),
                State::Doing(what, percent) => self.advance(&item, &what, percent),
                State::Note(text) => {
                    self.say(&format!("{} {name}: {text}", "note:".yellow().bold()));
                }
                State::Done => {
                    self.end(&item);
                    self.say(&format!("{} {name}", "done".green()));
                }
                State::Failed(why) => {
                    self.end(&item);
                    self.say(&format!("{} {name}: {why}", "failed".red().bold()));
                }
            }
        }
    }

    fn begin(&mut self, item: &Item, what: &str) {
        let style = ProgressStyle::with_template(
            "{spinner:.green} {prefix}  {bar:20} {percent:>3} %  {msg:.dim}  {elapsed:.dim}",
        );
        let bar = ProgressBar::new(100)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let bar = self.lines.add(bar);
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(TICK);
        self.bars.insert((item.kind, item.name.clone()), bar);
    }

    fn advance(&self, item: &Item, what: &str, percent: u8) {
        if let Some(bar) = self.bars.get(&(item.kind, item.name.clone())) {
            bar.set_message(what.to_owned());
            bar.set_position(percent.into());
        }
    }

    fn end(&mut self, item: &Item) {
        if let Some(bar) = self.bars.remove(&(item.kind, item.name.clone())) {
            bar.finish_and_clear();
        }
    }

    /// Above the live lines, which would be torn otherwise.
    fn say(&self, text: &str) {
        if self.live {
            self.lines.suspend(|| printer::note(text));
        } else {
            printer::note(text);
        }
    }
}
