//! All regions together: what comes in, where it goes, what it costs.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{panel, words};
use crate::commands::monitor::app::App;
use crate::commands::monitor::snapshot::{Origin, Phase, Region};

pub(super) const WIDTH: u16 = 34;
/// What the names before the figures take.
const NAMES: usize = 14;

pub(super) fn render(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let errors = app.snapshot.errors_of(Origin::Archives);
    let inner = panel(frame, area, "Study", errors, &app.theme);
    frame.render_widget(Paragraph::new(lines(app)), inner);
}

fn lines(app: &App) -> Vec<Line<'static>> {
    let theme = &app.theme;
    let snapshot = &app.snapshot;
    let line = |name: &str, value: String, style: Style| {
        Line::from(vec![
            Span::styled(format!("{name:<NAMES$}"), theme.dim),
            Span::styled(value, style),
        ])
    };
    let regions = &snapshot.regions;
    let hears = |region: &&Region| matches!(region.phase, Phase::Root | Phase::Fed);
    let hearing = regions.iter().filter(hears).count();
    let style = if hearing == regions.len() {
        theme.good
    } else {
        theme.doubtful
    };
    let searches = regions.iter().filter_map(|region| region.searches).sum();
    let mut lines = vec![
        line(
            "recording",
            format!("{hearing} of {} regions", regions.len()),
            style,
        ),
        line(
            "a second",
            words::rate(Some(snapshot.searches_per_second())),
            theme.title,
        ),
        line("since start", words::count(searches), Style::new()),
    ];
    if let Some((shipped, waiting)) = snapshot.shipping {
        lines.push(line("in database", words::count(shipped), Style::new()));
        lines.push(line("still waiting", words::count(waiting), Style::new()));
    }
    let stalled: Vec<&str> = regions
        .iter()
        .filter(|region| region.stalled)
        .map(|region| region.name.as_str())
        .collect();
    if !stalled.is_empty() {
        lines.push(line("cannot write", stalled.join(", "), theme.bad));
    }
    if let Some(archives) = &snapshot.archives {
        let last = archives
            .last
            .as_ref()
            .map_or_else(|| "none yet".to_owned(), |last| last.month.clone());
        lines.push(line("last archive", last, Style::new()));
        if archives.files > 0 {
            let records = words::count(archives.records.try_into().unwrap_or_default());
            lines.push(line("archived", records, Style::new()));
            lines.push(line(
                "files",
                format!("{}, {}", archives.files, words::bytes(archives.bytes)),
                Style::new(),
            ));
        }
        if let Some(first) = archives.problems.first() {
            let more = archives.problems.len();
            lines.push(line("problems", format!("{more}: archive ls"), theme.bad));
            let name = first.rsplit('/').next().unwrap_or(first);
            lines.push(Line::styled(format!("  {name}"), theme.bad));
        }
    }
    if let Some(cost) = &snapshot.monthly_cost {
        let servers = format!("{} servers", snapshot.servers.len());
        lines.push(line(
            &servers,
            format!("{} a month", words::money(&cost.net, &cost.currency)),
            theme.title,
        ));
    }
    lines
}
