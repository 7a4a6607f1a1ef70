//! The table at the end, or the same as JSON.

use std::fmt::Write as _;

use serde::Serialize;

/// Marks what was not measured in this run.
const PUBLISHED_MARK: &str = "*";
const PEER_NOTE: &str = "the peer is aioslsk 1.7.1 where the line names no other";
const PUBLISHED_NOTE: &str = "* the published figure of an earlier collector (aioslsk, stored in PostgreSQL, 2 cores), \
                              not measured in this run";

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: String,
    rows: Vec<Row>,
    notes: Vec<String>,
    runs: Vec<String>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figure {
    value: f64,
    measured: bool,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Better {
    More,
    Less,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// Times better than the peer.
    Ratio(f64),
}

#[derive(Debug, Serialize)]
pub(crate) struct Row {
    what: String,
    unit: &'static str,
    better: Better,
    peer: Option<Figure>,
    ours: f64,
    /// How many times better ours is.
    ratio: Option<f64>,
    target: Option<Target>,
    met: Option<bool>,
}

impl Figure {
    pub(crate) fn measured(value: f64) -> Self {
        Self {
            value,
            measured: true,
        }
    }

    pub(crate) fn published(value: f64) -> Self {
        Self {
            value,
            measured: false,
        }
    }
}

impl Row {
    pub(crate) fn new(what: &str, unit: &'static str, better: Better) -> Self {
        Self {
            what: what.to_owned(),
            unit,
            better,
            peer: None,
            ours: f64::NAN,
            ratio: None,
            target: None,
            met: None,
        }
    }

    pub(crate) fn peer(self, figure: Figure) -> Self {
        Self {
            peer: Some(figure),
            ..self
        }
    }

    /// Comes after the peer.
    pub(crate) fn ours(self, ours: f64) -> Self {
        let ratio = self.peer.map(|peer| match self.better {
            Better::More => ours / peer.value,
            Better::Less => peer.value / ours,
        });
        Self {
            ours,
            ratio,
            ..self
        }
    }

    /// Comes last.
    pub(crate) fn target(self, target: Target) -> Self {
        let met = match target {
            Target::AtLeast(least) => self.ours >= least,
            Target::AtMost(most) => self.ours <= most,
            Target::Ratio(least) => self.ratio.is_some_and(|ratio| ratio >= least),
        };
        Self {
            target: Some(target),
            met: Some(met),
            ..self
        }
    }

    fn cells(&self) -> [String; 7] {
        let mark = |figure: Figure| if figure.measured { "" } else { PUBLISHED_MARK };
        let target = self.target.map(|target| match target {
            Target::AtLeast(least) => format!("≥ {}", number(least)),
            Target::AtMost(most) => format!("≤ {}", number(most)),
            Target::Ratio(least) => format!("≥ {}x", number(least)),
        });
        let met = self.met.map(|met| if met { "met" } else { "MISSED" });
        [
            self.what.clone(),
            self.unit.to_owned(),
            self.peer
                .map(|peer| number(peer.value) + mark(peer))
                .unwrap_or_default(),
            number(self.ours),
            self.ratio
                .map(|ratio| format!("{ratio:.*}x", if ratio < 2.0 { 2 } else { 1 }))
                .unwrap_or_default(),
            target.unwrap_or_default(),
            met.unwrap_or_default().to_owned(),
        ]
    }
}

impl Report {
    pub(crate) fn new(machine: String) -> Self {
        Self {
            machine,
            rows: Vec::new(),
            notes: Vec::new(),
            runs: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Stands below the table.
    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// One of several runs, of which the best gets into the table.
    #[expect(
        clippy::print_stderr,
        reason = "a benchmark that takes minutes says how far it is"
    )]
    pub(crate) fn run(&mut self, run: String) {
        eprintln!("{run}");
        self.runs.push(run);
    }

    pub(crate) fn table(&self) -> String {
        let head = ["", "", "peer", "ours", "ratio", "target", ""].map(str::to_owned);
        let mut lines = vec![head];
        lines.extend(self.rows.iter().map(Row::cells));
        let width = |column: usize| {
            let widths = lines.iter().map(|cells| cells[column].chars().count());
            widths.max().unwrap_or_default()
        };
        let widths: [usize; 7] = std::array::from_fn(width);

        let mut text = format!("{}\n\n", self.machine);
        for cells in &lines {
            let mut line = String::new();
            for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
                // Words to the left, numbers to the right.
                let _ = match column {
                    0 | 1 | 6 => write!(line, "{cell:<width$}  "),
                    _ => write!(line, "{cell:>width$}  "),
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text.push('\n');
        if self
            .rows
            .iter()
            .any(|row| row.peer.is_some_and(|peer| !peer.measured))
        {
            text.push_str(PUBLISHED_NOTE);
            text.push('\n');
        }
        if self.rows.iter().any(|row| row.peer.is_some()) {
            text.push_str(PEER_NOTE);
            text.push('\n');
        }
        for note in &self.notes {
            text.push_str(note);
            text.push('\n');
        }
        text
    }
}

/// Thousands apart; decimals only where the number is small.
fn number(value: f64) -> String {
    if value < 1000.0 {
        let text = format!("{value:.1}");
        return text.strip_suffix(".0").map_or(text.clone(), str::to_owned);
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
