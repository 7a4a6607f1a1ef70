//! Drawing: from what is known to what is on the screen, and nothing else.

mod detail;
mod regions;
mod servers;
mod table;
#[cfg(test)]
mod tests;
pub(super) mod theme;
mod totals;
pub(super) mod words;

use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Padding, Paragraph};

use self::theme::Theme;
use super::app::App;
use super::keys::KEYS;
use super::snapshot::Origin;

/// Below this the figures of a region are left out rather than squeezed.
const SMALLEST_DETAIL: u16 = 5;
/// From here on servers and pods have room side by side.
const WIDE: u16 = 140;

/// Draws everything.
pub(super) fn view(frame: &mut Frame<'_>, app: &App) {
    let all = frame.area();
    let [head, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(all);
    frame.render_widget(header(app), head);
    frame.render_widget(Line::from(clock(app)).right_aligned(), head);
    frame.render_widget(footer(&app.theme), foot);
    panels(frame, body, app);
    if app.help {
        help(frame, all, &app.theme);
    }
}

/// Regions above, the selected one below them, then servers and pods.
fn panels(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let snapshot = &app.snapshot;
    let rows = |source: Origin, count: usize| {
        let rows = u16::try_from(count).unwrap_or(u16::MAX);
        snapshot
            .watched
            .contains(&source)
            .then_some(rows.saturating_add(3))
    };
    let servers = rows(Origin::Servers, snapshot.servers.len());
    let pods = rows(Origin::Pods, snapshot.pods.len());
    let stacked = servers.unwrap_or(0).saturating_add(pods.unwrap_or(0));
    let regions = regions::height(app);
    let needed = regions
        .saturating_add(SMALLEST_DETAIL)
        .saturating_add(stacked);
    let side_by_side = area.width >= WIDE || needed > area.height;
    let below = if side_by_side {
        servers.max(pods).unwrap_or(0)
    } else {
        stacked
    };
    // Each gets what it needs, if need be half of what there is.
    let below = below.min(area.height / 2);
    let above = regions.min(area.height.saturating_sub(below).max(area.height / 2));
    let [top, middle, bottom] = Layout::vertical([
        Constraint::Length(above),
        Constraint::Fill(1),
        Constraint::Length(below),
    ])
    .areas(area);
    regions::render(frame, top, app);
    if middle.height >= SMALLEST_DETAIL {
        let [left, right] = Layout::horizontal([
            Constraint::Fill(1),
            Constraint::Length(totals::WIDTH.min(area.width / 2)),
        ])
        .areas(middle);
        detail::render(frame, left, app);
        totals::render(frame, right, app);
    }
    let parts = [servers, pods].map(|height| match height {
        None => Constraint::Length(0),
        Some(_) if side_by_side => Constraint::Fill(1),
        Some(height) => Constraint::Length(height),
    });
    let [first, second] = if side_by_side {
        Layout::horizontal(parts).areas(bottom)
    } else {
        Layout::vertical(parts).areas(bottom)
    };
    if servers.is_some() {
        servers::servers(frame, first, app);
    }
    if pods.is_some() {
        servers::pods(frame, second, app);
    }
}

/// A frame with a name, at its foot what is wrong; gives the room in it.
fn panel<'e>(
    frame: &mut Frame<'_>,
    area: Rect,
    name: &str,
    errors: impl IntoIterator<Item = &'e str>,
    theme: &Theme,
) -> Rect {
    let mut block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.dim)
        .padding(Padding::horizontal(1))
        .title(Span::styled(format!(" {name} "), theme.title));
    let errors: Vec<&str> = errors.into_iter().collect();
    if let Some(first) = errors.first() {
        let more = match errors.len() {
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        let room = usize::from(area.width.saturating_sub(4));
        let text: String = format!("{first}{more}").chars().take(room).collect();
        block = block.title_bottom(Span::styled(format!(" {} ", text.trim_end()), theme.bad));
    }
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

fn header(app: &App) -> Line<'_> {
    let fleet = app.snapshot.fleet.as_deref().unwrap_or("collectors");
    Line::from(vec![
        Span::styled(" Research Fleet ", app.theme.accent),
        Span::styled(fleet, app.theme.title),
    ])
}

fn clock(app: &App) -> Span<'static> {
    let time = app
        .snapshot
        .at
        .strftime("%Y-%m-%d %H:%M:%S UTC ")
        .to_string();
    Span::styled(time, app.theme.dim)
}

fn footer(theme: &Theme) -> Line<'static> {
    let key = |key: &'static str, means: &'static str| {
        [
            Span::styled(format!(" {key} "), theme.accent),
            Span::styled(means, theme.dim),
            Span::raw("  "),
        ]
    };
    let keys = [key("q", "quit"), key("↑↓", "region"), key("?", "keys")];
    keys.into_iter().flatten().collect()
}

fn help(frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
    let lines = KEYS.map(|(key, means)| {
        Line::from(vec![
            Span::styled(format!("{key:<15}"), theme.accent),
            Span::raw(means),
        ])
    });
    let height = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let [middle] = Layout::vertical([Constraint::Length(height)])
        .flex(Flex::Center)
        .areas(area);
    let [middle] = Layout::horizontal([Constraint::Length(42)])
        .flex(Flex::Center)
        .areas(middle);
    frame.render_widget(Clear, middle);
    let inner = panel(frame, middle, "Keys", [], theme);
    frame.render_widget(Paragraph::new(Vec::from(lines)), inner);
}
