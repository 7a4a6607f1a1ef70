//! Plots with a row for each region: when it collected, and how late it heard canaries.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::super::journal::Gap;
use super::super::quiet::{DAY, at};
use super::super::range::{Report, share};
use super::plot::{NARROW, Rect, Size, Tick, WIDE, nice_steps, round};
use super::view::class;
use super::words::{day, delay, duration, float, moment, percent, visible};

const TOP: f64 = 4.0;
const ROW: f64 = 42.0;
const LABEL: f64 = 15.0;
const BAR: f64 = 14.0;
const AXIS: f64 = 26.0;
const SIDE: f64 = 8.0;
/// Less would not be seen.
const THINNEST: f64 = 1.0;

/// When each region collected, in two widths.
#[derive(Debug, Serialize)]
pub(crate) struct Timeline {
    description: String,
    plots: [Rows<TimeRow>; 2],
}

/// How late each region heard canaries, in two widths.
#[derive(Debug, Serialize)]
pub(crate) struct Delays {
    plots: [Rows<DelayRow>; 2],
}

#[derive(Debug, Serialize)]
struct Rows<R> {
    size: &'static str,
    width: f64,
    height: f64,
    bottom: f64,
    ticks: Vec<Tick>,
    rows: Vec<R>,
}

#[derive(Debug, Serialize)]
struct TimeRow {
    name: String,
    note: String,
    class: String,
    label_y: f64,
    covered: Rect,
    gaps: Vec<Rect>,
}

#[derive(Debug, Serialize)]
struct DelayRow {
    name: String,
    class: String,
    label_y: f64,
    y: f64,
    min: f64,
    median: f64,
    p95: f64,
    tip: String,
}

/// The colour of a region on this page.
pub(crate) fn class_of(report: &Report, client_id: &str) -> Option<String> {
    let mut clients = report.clients.iter();
    clients
        .position(|client| client.client_id == client_id)
        .map(class)
}

fn row_top(index: usize) -> f64 {
    TOP + ROW * float(index as u64)
}

fn height(rows: usize) -> f64 {
    row_top(rows) + AXIS
}

pub(crate) fn timeline(report: &Report) -> Option<Timeline> {
    if report.coverage.is_empty() {
        return None;
    }
    let notes = report.coverage.iter().map(|coverage| {
        let up = coverage.share.map_or_else(|| "unknown".to_owned(), percent);
        format!("{} {up}", visible(&coverage.client_id))
    });
    Some(Timeline {
        description: format!(
            "Share of the time in which each region collected: {}.",
            notes.collect::<Vec<_>>().join(", ")
        ),
        plots: [WIDE, NARROW].map(|size| times(report, size)),
    })
}

fn times(report: &Report, size: Size) -> Rows<TimeRow> {
    let (from, to) = span(report);
    let right = size.width - SIDE;
    let whole = seconds(from, to);
    let x = |moment: Timestamp| {
        let part = share(seconds(from, moment), whole).unwrap_or_default();
        SIDE + (right - SIDE) * part
    };
    let rows = report.coverage.iter().enumerate().map(|(index, coverage)| {
        let y = row_top(index) + LABEL + 7.0;
        let bar = |from: f64, to: f64, tip: String| Rect {
            x: round(from),
            y,
            width: round(to - from),
            height: BAR,
            tip,
        };
        TimeRow {
            name: visible(&coverage.client_id),
            note: coverage.share.map(percent).unwrap_or_default(),
            class: class_of(report, &coverage.client_id).unwrap_or_default(),
            label_y: row_top(index) + LABEL,
            covered: bar(x(coverage.from), x(coverage.to), String::new()),
            gaps: joined(&coverage.gaps, x)
                .into_iter()
                .map(|(from, to, tip)| bar(from, to, tip))
                .collect(),
        }
    });
    Rows {
        size: size.name,
        width: size.width,
        height: height(report.coverage.len()),
        bottom: row_top(report.coverage.len()),
        ticks: ticks(report, size)
            .into_iter()
            .map(|(moment, label)| Tick {
                at: round(x(moment)),
                label,
            })
            .collect(),
        rows: rows.collect(),
    }
}

/// The range; of a single day only the part in which anybody was there, which may be a minute.
fn span(report: &Report) -> (Timestamp, Timestamp) {
    let whole = (at(report.from, 0), at(report.to, DAY));
    if report.from < report.to {
        return whole;
    }
    let from = report.coverage.iter().map(|coverage| coverage.from).min();
    let to = report.coverage.iter().map(|coverage| coverage.to).max();
    (from.unwrap_or(whole.0), to.unwrap_or(whole.1))
}

/// Days, or times of a single day.
fn ticks(report: &Report, size: Size) -> Vec<(Timestamp, String)> {
    let room = if size.width > 500.0 { 8 } else { 4 };
    if report.from < report.to {
        let step = report.days.len().div_ceil(room).max(1);
        let days = report.days.iter().step_by(step);
        return days.map(|line| (at(line.day, 0), day(line.day))).collect();
    }
    let (from, to) = span(report);
    let length = to.duration_since(from);
    let format = if length < SignedDuration::from_mins(30) {
        "%H:%M:%S"
    } else {
        "%H:%M"
    };
    let quarters = (0..4).map(|quarter| from + length * quarter / 4);
    quarters
        .map(|moment| (moment, moment.strftime(format).to_string()))
        .collect()
}

fn seconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_secs()).unwrap_or_default()
}

/// Gaps as pixels. What is too near to be told apart is one, so that thousands of gaps do not make a large page.
fn joined(gaps: &[Gap], x: impl Fn(Timestamp) -> f64) -> Vec<(f64, f64, String)> {
    let mut joined: Vec<(f64, f64, usize, String)> = Vec::new();
    for gap in gaps {
        let (from, to) = (x(gap.from), x(gap.to).max(x(gap.from) + THINNEST));
        match joined.last_mut() {
            Some((_, end, count, _)) if from < *end + THINNEST => {
                *end = to.max(*end);
                *count += 1;
            }
            _ => {
                let length = duration(gap.to.duration_since(gap.from));
                joined.push((
                    from,
                    to,
                    1,
                    format!("{}, {length}\n{} UTC", gap.reason, moment(gap.from)),
                ));
            }
        }
    }
    let joined = joined.into_iter().map(|(from, to, count, tip)| {
        let more = if count > 1 {
            format!("\nand {} more", count - 1)
        } else {
            String::new()
        };
        (from, to, tip + &more)
    });
    joined.collect()
}

pub(crate) fn delays(report: &Report) -> Option<Delays> {
    let mut regions = report.canaries.regions.iter();
    regions.find(|region| region.heard > 0)?;
    Some(Delays {
        plots: [WIDE, NARROW].map(|size| late(report, size)),
    })
}

fn late(report: &Report, size: Size) -> Rows<DelayRow> {
    let heard: Vec<_> = report
        .canaries
        .regions
        .iter()
        .filter_map(|region| {
            Some((
                region,
                region.delay_min_ms?,
                region.delay_median_ms?,
                region.delay_p95_ms?,
            ))
        })
        .collect();
    let lowest = heard
        .iter()
        .map(|&(_, min, ..)| min)
        .min()
        .unwrap_or_default()
        .min(0);
    let highest = heard
        .iter()
        .map(|&(.., p95)| p95)
        .max()
        .unwrap_or_default()
        .max(1);
    let steps = nice_steps(float(highest.abs_diff(lowest)));
    let step = steps.get(1).copied().unwrap_or(1.0);
    // The axis begins at a whole step below zero where clocks differ.
    let below = (float(lowest.unsigned_abs()) / step).ceil() * step;
    let last = (float(highest.unsigned_abs()) / step).ceil() * step;
    let right = size.width - SIDE - 14.0;
    let x = |ms: f64| round(SIDE + 14.0 + (right - SIDE - 14.0) * (ms + below) / (below + last));
    let signed = |ms: i64| {
        if ms < 0 {
            -float(ms.unsigned_abs())
        } else {
            float(ms.unsigned_abs())
        }
    };
    let rows = heard
        .iter()
        .enumerate()
        .map(|(index, &(region, min, median, p95))| DelayRow {
            name: visible(&region.client_id),
            class: class_of(report, &region.client_id).unwrap_or_default(),
            label_y: row_top(index) + LABEL,
            y: row_top(index) + LABEL + 7.0 + BAR / 2.0,
            min: x(signed(min)),
            median: x(signed(median)),
            p95: x(signed(p95)),
            tip: format!(
                "{}\nearliest {}\nmedian {}\n95 of 100 within {}",
                visible(&region.client_id),
                delay(min),
                delay(median),
                delay(p95)
            ),
        });
    let rows: Vec<_> = rows.collect();
    let mut ticks = Vec::new();
    let mut ms = -below;
    while ms <= last + step / 2.0 {
        let sign = if ms < 0.0 { "−" } else { "" };
        let label = format!("{sign}{}\u{202f}s", (ms.abs() / 10.0).round() / 100.0);
        ticks.push(Tick { at: x(ms), label });
        ms += step;
    }
    Rows {
        size: size.name,
        width: size.width,
        height: height(heard.len()),
        bottom: row_top(heard.len()),
        ticks,
        rows,
    }
}
