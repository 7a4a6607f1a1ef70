//! The regions: how many searches each hears, and how it stands in the network.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::table::{Column, GAP, draw, fit, width};
use super::{panel, words};
use crate::commands::monitor::app::App;
use crate::commands::monitor::snapshot::{Origin, Region};

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Narrower, a line of bars says nothing.
const SHORTEST: u16 = 9;

pub(super) fn height(app: &App) -> u16 {
    let rows = app.snapshot.regions.len().max(1);
    u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(3)
}

pub(super) fn render(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let snapshot = &app.snapshot;
    let unwatched = !snapshot.watched.contains(&Origin::Metrics);
    let hint = unwatched.then_some("name a collector with --metrics to see its figures");
    let errors = snapshot.errors_of(Origin::Metrics).chain(hint);
    let inner = panel(frame, area, "Regions", errors, &app.theme);
    if snapshot.regions.is_empty() {
        let text = "waiting for the first answer …";
        frame.render_widget(Span::styled(text, app.theme.dim), inner);
        return;
    }
    let (selected, first) = visible(app, inner.height);
    let regions = &snapshot.regions[first..];
    let mut columns = columns(app, regions, selected.map(|index| index - first));
    fit(&mut columns, inner.width.saturating_sub(SHORTEST + GAP));
    let room = inner.width.saturating_sub(width(&columns) + GAP);
    if room >= SHORTEST {
        let rates = snapshot
            .regions
            .iter()
            .flat_map(|region| &region.history)
            .flatten();
        let top = rates.copied().fold(0.0, f64::max);
        let line = |region| Span::styled(bars(region, room, top), app.theme.graph[1]);
        columns.insert(
            2,
            Column::new("OVER TIME", 0, regions.iter().map(line).collect()),
        );
    }
    draw(frame, inner, &columns, app.theme.dim);
}

/// The selected region, and the first one that is shown so that it is seen.
fn visible(app: &App, height: u16) -> (Option<usize>, usize) {
    // A line is the head, another may say that there are more.
    let room = usize::from(height.saturating_sub(2)).max(1);
    let selected = app.selected().map(|(index, _)| index);
    let fits = app.snapshot.regions.len() <= room + 1;
    let first = if fits {
        0
    } else {
        selected.map_or(0, |index| (index + 1).saturating_sub(room))
    };
    (selected, first)
}

fn columns<'a>(app: &App, regions: &'a [Region], selected: Option<usize>) -> Vec<Column<'a>> {
    let theme = &app.theme;
    let now = app.snapshot.at;
    let column = |title, rank, cell: &dyn Fn(&'a Region) -> Span<'a>| {
        Column::new(title, rank, regions.iter().map(cell).collect())
    };
    let name = |(index, region): (usize, &'a Region)| {
        if Some(index) == selected {
            Span::styled(format!("▌{}", region.name), theme.accent)
        } else {
            Span::raw(format!(" {}", region.name))
        }
    };
    let names = regions.iter().enumerate().map(name).collect();
    let state = |region: &'a Region| {
        let style = if region.stalled {
            theme.bad
        } else {
            theme.of_phase(region.phase)
        };
        Span::styled(format!("● {}", words::state(region)), style)
    };
    let has_location = regions.iter().any(|region| region.location.is_some());
    let has_database = regions
        .iter()
        .any(|region| region.database_waiting.is_some());
    let waits =
        |count: Option<u64>, style: Style| Span::styled(words::count_or_nothing(count), style);
    let mut columns = vec![
        Column::new(" REGION", 0, names),
        column("SEARCHES/S", 0, &|region| {
            Span::styled(words::rate(region.searches_per_second), theme.title)
        })
        .right(),
    ];
    if has_location {
        columns.push(column("LOCATION", 5, &|region| {
            Span::raw(region.location.as_deref().unwrap_or_default())
        }));
    }
    columns.push(column("STATE", 0, &state));
    columns.push(
        column("UNSAVED", 4, &|region| {
            waits(region.spool_pending, Style::new())
        })
        .right(),
    );
    if has_database {
        columns.push(
            column("UNSHIPPED", 3, &|region| {
                waits(region.database_waiting, Style::new())
            })
            .right(),
        );
    }
    columns.push(
        column("LAST", 2, &|region| {
            Span::raw(words::ago(region.last_record_at, now))
        })
        .right(),
    );
    columns.push(
        column("RECORDED", 1, &|region| {
            Span::raw(words::count_or_nothing(region.searches))
        })
        .right(),
    );
    columns
}

/// The newest at the right end; all regions have the same scale.
fn bars(region: &Region, room: u16, top: f64) -> String {
    let room = usize::from(room);
    let from = region.history.len().saturating_sub(room);
    let shown = region.history.get(from..).unwrap_or_default();
    let bars = shown
        .iter()
        .map(|rate| rate.map_or(' ', |rate| bar(rate, top)));
    std::iter::repeat_n(' ', room - shown.len())
        .chain(bars)
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to 7"
)]
fn bar(rate: f64, top: f64) -> char {
    let share = if top > 0.0 {
        (rate / top).clamp(0.0, 1.0)
    } else {
        0.0
    };
    BARS[(share * 7.0).round() as usize]
}
