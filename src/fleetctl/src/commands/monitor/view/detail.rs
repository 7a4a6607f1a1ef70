//! The selected region, its searches a second over the last minutes as bars.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{RenderDirection, Sparkline, SparklineBar};

use super::theme::Theme;
use super::{panel, words};
use crate::commands::monitor::app::App;
use crate::commands::monitor::snapshot::{Phase, Region};

/// What the numbers beside the bars take.
const SCALE: u16 = 6;
/// Bars are whole numbers; this keeps two decimals.
const FINE: f64 = 100.0;
/// Room above the highest bar.
const ROOM: f64 = 1.1;
/// Values at which a scale may end, times a power of ten.
const ROUND: [f64; 6] = [1.0, 1.5, 2.0, 3.0, 5.0, 8.0];

pub(super) fn render(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let Some((_, region)) = app.selected() else {
        panel(frame, area, "Region", [], &app.theme);
        return;
    };
    let inner = panel(frame, area, &region.name, [], &app.theme);
    let [facts, chart] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(inner);
    frame.render_widget(facts_line(app, region, facts.width), facts);
    if region.history.is_empty() {
        let text = if region.phase == Phase::Unknown {
            "none of the collectors that were named is this region's"
        } else {
            "waiting for the second reading …"
        };
        frame.render_widget(Span::styled(text, app.theme.dim), chart);
    } else if chart.height > 2 {
        draw(frame, chart, app, region);
    } else {
        bars(frame, chart, app, region);
    }
}

/// As many facts as there is room for.
fn facts_line<'a>(app: &App, region: &'a Region, room: u16) -> Line<'a> {
    let theme = &app.theme;
    let rate = words::rate(region.searches_per_second);
    let mut line = Line::from(vec![
        Span::styled(rate, theme.accent),
        Span::styled(" a second", theme.dim),
    ]);
    let facts = [
        (region.searches, " recorded", " recorded"),
        (region.children, " child", " children"),
        (region.duplicates, " duplicate", " duplicates"),
    ];
    for (value, one, many) in facts {
        let Some(value) = value else { continue };
        let unit = if value == 1 { one } else { many };
        let value = Span::raw(format!("  ·  {}", words::count(value)));
        let unit = Span::styled(unit, theme.dim);
        if line.width() + value.width() + unit.width() <= usize::from(room) {
            line.extend([value, unit]);
        }
    }
    line
}

/// Bars with their scale and their times.
fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, region: &Region) {
    let [scale, graph] =
        Layout::horizontal([Constraint::Length(SCALE), Constraint::Fill(1)]).areas(area);
    let [graph, times] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(graph);
    let top = bars(frame, graph, app, region);
    let dim = app.theme.dim;
    let label = |value: f64| Line::styled(format!("{value} "), dim).right_aligned();
    let at = |row: u16| Rect::new(scale.x, scale.y + row, scale.width, 1);
    frame.render_widget(label(top), at(0));
    if graph.height >= 6 {
        frame.render_widget(label(top / 2.0), at(graph.height / 2));
    }
    frame.render_widget(label(0.0), at(graph.height));
    let longest = app.snapshot.interval * graph.width.into();
    frame.render_widget(Line::styled(words::seconds(longest.as_secs()), dim), times);
    frame.render_widget(Line::styled("now", dim).right_aligned(), times);
}

/// A bar for each reading, the newest at the right end; gives the value at their top.
fn bars(frame: &mut Frame<'_>, area: Rect, app: &App, region: &Region) -> f64 {
    let shown = region.history.iter().rev().take(usize::from(area.width));
    let highest = shown.clone().flatten().copied().fold(0.0, f64::max);
    let top = round_up(highest * ROOM);
    let bar = |rate: &Option<f64>| SparklineBar::from(rate.map(|rate| whole(rate * FINE)));
    let sparkline = Sparkline::default()
        .data(shown.map(bar).collect::<Vec<_>>())
        .direction(RenderDirection::RightToLeft)
        .absent_value_symbol("·")
        .max(whole(top * FINE));
    frame.render_widget(sparkline, area);
    colour(frame, area, &app.theme);
    top
}

/// The higher, the brighter.
fn colour(frame: &mut Frame<'_>, bars: Rect, theme: &Theme) {
    for (index, row) in bars.rows().enumerate() {
        let height = usize::from(bars.height) - 1 - index;
        let step = height * theme.graph.len() / usize::from(bars.height);
        frame.buffer_mut().set_style(row, theme.graph[step]);
    }
}

/// A scale that ends with a number that people can read.
fn round_up(value: f64) -> f64 {
    let mut power = 1.0;
    loop {
        if let Some(round) = ROUND
            .iter()
            .map(|round| round * power)
            .find(|round| *round >= value)
        {
            return round;
        }
        power *= 10.0;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are small and not negative"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_a_round_number_above_the_highest_value() {
        let rounded = [0.0, 0.3, 1.2, 33.0, 880.0, 79.0].map(round_up);
        let rounded = rounded.map(|value| value.to_string());
        assert_eq!(rounded, ["1", "1", "1.5", "50", "1000", "80"]);
    }
}
