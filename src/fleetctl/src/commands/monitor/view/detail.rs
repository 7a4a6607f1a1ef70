//! The selected region, its searches a second over the last minutes as bars.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{RenderDirection, Sparkline, SparklineBar};

use super::{panel, words};
use crate::commands::monitor::app::App;
use crate::commands::monitor::snapshot::Region;

/// What the numbers beside the bars take.
const SCALE: u16 = 6;
/// Bars are whole numbers; this keeps two decimals.
const FINE: f64 = 100.0;
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
    frame.render_widget(facts_line(app, region), facts);
    draw(frame, chart, app, region);
}

fn facts_line<'a>(app: &App, region: &'a Region) -> Line<'a> {
    let theme = &app.theme;
    let mut spans = vec![
        Span::styled(words::rate(region.searches_per_second), theme.accent),
        Span::styled(" searches a second", theme.dim),
    ];
    let mut fact = |value: Option<u64>, one: &'static str, many: &'static str| {
        if let Some(value) = value {
            let unit = if value == 1 { one } else { many };
            let fact = [
                Span::raw(format!("  ·  {}", words::count(value))),
                Span::styled(unit, theme.dim),
            ];
            spans.extend(fact);
        }
    };
    fact(region.searches, " recorded", " recorded");
    fact(region.duplicates, " duplicate", " duplicates");
    fact(region.children, " child", " children");
    Line::from(spans)
}

fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, region: &Region) {
    if area.height < 2 {
        return;
    }
    let [scale, bars] =
        Layout::horizontal([Constraint::Length(SCALE), Constraint::Fill(1)]).areas(area);
    let shown = region.history.iter().rev().take(usize::from(bars.width));
    let highest = shown.clone().flatten().copied().fold(0.0, f64::max);
    let top = round_up(highest * 1.1);
    let at = |row: u16, value: f64| {
        let text = Line::styled(format!("{value} "), app.theme.dim).right_aligned();
        (Rect::new(scale.x, scale.y + row, scale.width, 1), text)
    };
    let mut labels = vec![at(0, top), at(area.height - 1, 0.0)];
    if area.height >= 5 && area.height % 2 == 1 {
        labels.push(at(area.height / 2, top / 2.0));
    }
    for (place, label) in labels {
        frame.render_widget(label, place);
    }
    let bar = |rate: &Option<f64>| SparklineBar::from(rate.map(|rate| whole(rate * FINE)));
    let sparkline = Sparkline::default()
        .data(shown.map(bar).collect::<Vec<_>>())
        .direction(RenderDirection::RightToLeft)
        .absent_value_symbol("·")
        .absent_value_style(app.theme.bad)
        .max(whole(top * FINE))
        .style(app.theme.graph);
    frame.render_widget(sparkline, bars);
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
        assert_eq!(
            [0.0, 0.3, 1.2, 33.0, 880.0, 79.0].map(round_up),
            [1.0, 1.0, 1.5, 50.0, 1000.0, 80.0]
        );
    }
}
