//! The plots over days and hours.

use serde::Serialize;

use super::super::quiet::at;
use super::super::range::{DayLine, DayState, Report};
use super::super::sketch::Estimate;
use super::plot::{HALF, NARROW, Plot, Series, Slot, Value, WIDE, plot};
use super::view::class;
use super::words::{day, estimate, float, number, visible};

/// A region that missed more seconds of a day than this did not hear a whole day.
const LONG_GAP: u64 = 3600;

/// A figure with its caption and, for whoever cannot see it, its numbers.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    id: &'static str,
    title: &'static str,
    caption: String,
    /// Whether its lines are regions.
    by_region: bool,
    panels: Vec<Panel>,
    table: Table,
}

/// One plot, in two widths.
#[derive(Debug, Serialize)]
struct Panel {
    id: String,
    title: String,
    description: String,
    plots: [Plot; 2],
}

#[derive(Debug, Serialize)]
struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

pub(crate) fn figures(report: &Report) -> Vec<Figure> {
    if report.clients.is_empty() {
        return Vec::new();
    }
    vec![searches(report), people(report), hours(report)]
}

fn slots(report: &Report, tip: impl Fn(&DayLine) -> String) -> Vec<Slot> {
    let days = report.days.iter().map(|line| {
        let note = match line.state {
            DayState::Complete => "",
            DayState::Incomplete => " (not over)",
            DayState::Missing => ": no figures",
        };
        Slot {
            label: day(line.day),
            tip: format!("{}{note}\n{}", day(line.day), tip(line))
                .trim_end()
                .to_owned(),
            missing: line.state == DayState::Missing,
            unfinished: line.state == DayState::Incomplete,
        }
    });
    days.collect()
}

fn searches(report: &Report) -> Figure {
    let slots = slots(report, |line| {
        let regions = line.clients.iter();
        let lines = regions.map(|series| {
            format!(
                "{}: {}",
                visible(&series.client_id),
                number(series.searches)
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    });
    let of = |client_id: &str, line: &DayLine| {
        let mut regions = line.clients.iter();
        let series = regions.find(|series| series.client_id == client_id);
        series.map(|series| (series.searches, series.down_seconds))
    };
    let point = |client_id: &str, line: &DayLine| {
        let (searches, down) = of(client_id, line)?;
        let mut coverage = report.coverage.iter();
        let began = coverage
            .find(|coverage| coverage.client_id == client_id)?
            .from;
        let late = began
            .duration_since(at(line.day, 0))
            .as_secs()
            .max(0)
            .unsigned_abs();
        let whole = line.state == DayState::Complete && down + late <= LONG_GAP;
        // A region that was away all day has not heard nothing: it has not listened.
        (searches > 0 || whole).then(|| Value {
            part: !whole,
            ..exact(searches)
        })
    };
    let series: Vec<Series> = report
        .clients
        .iter()
        .enumerate()
        .map(|(index, client)| Series {
            class: class(index),
            values: report
                .days
                .iter()
                .map(|line| point(&client.client_id, line))
                .collect(),
        })
        .collect();
    let rows = report.days.iter().map(|line| {
        let mut row = vec![line.day.to_string(), line.state.as_str().to_owned()];
        row.extend(report.clients.iter().map(|client| {
            or_dash(of(&client.client_id, line).map(|(searches, _)| number(searches)))
        }));
        row
    });
    let mut head = vec!["Day".to_owned(), "State".to_owned()];
    head.extend(
        report
            .clients
            .iter()
            .map(|client| visible(&client.client_id)),
    );
    Figure {
        id: "searches",
        title: "Searches a day",
        caption: "What each region recorded on each day (UTC). Regions hear much the same network, so their lines are not to be added up. Hollow: a day that goes on, or of which the region missed more than an hour.".to_owned(),
        by_region: true,
        panels: vec![Panel {
            id: "searches".to_owned(),
            title: String::new(),
            description: extremes(report, |line| line.searches),
            plots: [plot(WIDE, &slots, &series, true), plot(NARROW, &slots, &series, true)],
        }],
        table: Table { head, rows: rows.collect() },
    }
}

/// Different users and different queries.
fn people(report: &Report) -> Figure {
    let panel = |id: &str, title: &str, of: fn(&DayLine) -> Option<Estimate>| {
        let slots = slots(report, |line| or_dash(of(line).map(estimate)));
        let series = [Series {
            class: "all".to_owned(),
            values: report
                .days
                .iter()
                .map(|line| {
                    let part = line.state != DayState::Complete;
                    Some(Value {
                        part,
                        ..value(of(line)?)
                    })
                })
                .collect(),
        }];
        Panel {
            id: id.to_owned(),
            title: title.to_owned(),
            description: extremes(report, move |line| of(line).map(|count| count.value)),
            plots: [
                plot(HALF, &slots, &series, true),
                plot(NARROW, &slots, &series, true),
            ],
        }
    };
    let mut panels = Vec::new();
    if report.totals.users.is_some() {
        panels.push(panel("users", "Users", |line| line.users));
    }
    panels.push(panel("queries", "Different queries", |line| line.queries));
    let rows = report.days.iter().map(|line| {
        vec![
            line.day.to_string(),
            line.state.as_str().to_owned(),
            or_dash(line.users.map(estimate)),
            or_dash(line.queries.map(estimate)),
            or_dash(line.different_searches.map(number)),
        ]
    });
    let head = [
        "Day",
        "State",
        "Users",
        "Different queries",
        "Different searches",
    ];
    Figure {
        id: "people",
        title: "Users and queries a day",
        caption: "All regions together. Large numbers are estimates; the band is two standard errors to each side, in which the truth lies 19 times of 20.".to_owned(),
        by_region: false,
        panels,
        table: Table {
            head: head.map(str::to_owned).to_vec(),
            rows: rows.collect(),
        },
    }
}

fn hours(report: &Report) -> Figure {
    let mean = |sum: u64, days: u64| float(sum) / float(days.max(1));
    let tip = |hour: usize| {
        let lines = report.clients.iter().map(|client| {
            let sum = client.hours.get(hour).copied().unwrap_or_default();
            format!(
                "{}: {:.0}",
                visible(&client.client_id),
                mean(sum, client.hours_days)
            )
        });
        format!(
            "{hour:02}:00–{:02}:00 UTC\n{}",
            hour + 1,
            lines.collect::<Vec<_>>().join("\n")
        )
    };
    let slots: Vec<Slot> = (0..24)
        .map(|hour| Slot {
            label: format!("{hour:02}"),
            tip: tip(hour),
            ..Slot::default()
        })
        .collect();
    let series: Vec<Series> = report
        .clients
        .iter()
        .enumerate()
        .map(|(index, client)| Series {
            class: class(index),
            values: client
                .hours
                .iter()
                .map(|&sum| {
                    (client.hours_days > 0).then(|| Value {
                        value: mean(sum, client.hours_days),
                        error: 0.0,
                        part: false,
                    })
                })
                .collect(),
        })
        .collect();
    let rows = (0..24_usize).map(|hour| {
        let mut row = vec![format!("{hour:02}")];
        row.extend(report.clients.iter().map(|client| {
            let sum = client.hours.get(hour).copied().unwrap_or_default();
            format!("{:.0}", mean(sum, client.hours_days))
        }));
        row
    });
    let mut head = vec!["Hour".to_owned()];
    head.extend(
        report
            .clients
            .iter()
            .map(|client| visible(&client.client_id)),
    );
    let days = if report.totals.complete_days > 0 {
        "the mean over the complete days of each region"
    } else {
        "the mean over the days of each region, none of which is complete"
    };
    Figure {
        id: "hours",
        title: "The day of the network",
        caption: format!("Searches in each hour (UTC), {days}. Gaps in collection lower it."),
        by_region: true,
        panels: vec![Panel {
            id: "hours".to_owned(),
            title: String::new(),
            description: "One line a region over the 24 hours of the day.".to_owned(),
            plots: [
                plot(WIDE, &slots, &series, false),
                plot(NARROW, &slots, &series, false),
            ],
        }],
        table: Table {
            head,
            rows: rows.collect(),
        },
    }
}

fn exact(count: u64) -> Value {
    Value {
        value: float(count),
        error: 0.0,
        part: false,
    }
}

fn value(count: Estimate) -> Value {
    Value {
        value: float(count.value),
        error: float(count.standard_error),
        part: false,
    }
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".to_owned())
}

/// For whoever cannot see the plot.
fn extremes(report: &Report, of: impl Fn(&DayLine) -> Option<u64>) -> String {
    let whole = report
        .days
        .iter()
        .filter(|line| line.state == DayState::Complete);
    let values: Vec<_> = whole
        .filter_map(|line| Some((of(line)?, line.day)))
        .collect();
    match (values.iter().min(), values.iter().max()) {
        (Some((low, low_day)), Some((high, high_day))) if low != high => format!(
            "All regions together, between {} on {} and {} on {}.",
            number(*low),
            day(*low_day),
            number(*high),
            day(*high_day),
        ),
        _ => "The table below has the numbers.".to_owned(),
    }
}
