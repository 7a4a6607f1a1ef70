//! Tables that leave columns out where there is no room, the least important first.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Row, Table};

/// Blanks between columns.
pub(super) const GAP: u16 = 2;

/// A column with all its cells.
pub(super) struct Column<'t> {
    title: &'t str,
    cells: Vec<Span<'t>>,
    right: bool,
    /// The higher, the sooner it is left out; 0 stays.
    rank: u8,
}

impl<'t> Column<'t> {
    pub(super) fn new(title: &'t str, rank: u8, cells: Vec<Span<'t>>) -> Self {
        Self {
            title,
            cells,
            right: false,
            rank,
        }
    }

    /// For numbers.
    pub(super) fn right(self) -> Self {
        Self {
            right: true,
            ..self
        }
    }

    fn width(&self) -> u16 {
        let widths = self
            .cells
            .iter()
            .map(Span::width)
            .chain([Span::raw(self.title).width()]);
        widths
            .max()
            .and_then(|width| width.try_into().ok())
            .unwrap_or(u16::MAX)
    }

    fn line(&self, span: Span<'t>) -> Cell<'t> {
        let line = Line::from(span);
        Cell::from(if self.right {
            line.right_aligned()
        } else {
            line
        })
    }
}

/// The width that columns take side by side.
pub(super) fn width(columns: &[Column<'_>]) -> u16 {
    let widths = columns
        .iter()
        .map(|column| column.width().saturating_add(GAP));
    widths.fold(0, u16::saturating_add).saturating_sub(GAP)
}

/// Leaves out what has no room.
pub(super) fn fit(columns: &mut Vec<Column<'_>>, room: u16) {
    while width(columns) > room {
        let ranks = columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.rank > 0);
        let Some((index, _)) = ranks.max_by_key(|(_, column)| column.rank) else {
            return;
        };
        columns.remove(index);
    }
}

/// Draws as many rows as there is room for, the last line saying how many there are beside those.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, columns: &[Column<'_>], dim: Style) {
    let count = columns
        .iter()
        .map(|column| column.cells.len())
        .max()
        .unwrap_or(0);
    let room = usize::from(area.height.saturating_sub(1));
    let shown = if count > room {
        room.saturating_sub(1)
    } else {
        count
    };
    let row = |index: usize| {
        let cells = columns.iter().map(|column| {
            let span = column.cells.get(index).cloned().unwrap_or_default();
            column.line(span)
        });
        Row::new(cells)
    };
    let head = columns
        .iter()
        .map(|column| column.line(Span::raw(column.title)));
    let widths = columns
        .iter()
        .map(|column| Constraint::Length(column.width()));
    let table = Table::new((0..shown).map(row), widths)
        .header(Row::new(head).style(dim))
        .column_spacing(GAP);
    frame.render_widget(table, area);
    if shown < count && area.height > 1 {
        let last = Rect::new(area.x, area.bottom() - 1, area.width, 1);
        let more = format!("… and {} more", count - shown);
        frame.render_widget(Line::styled(more, dim), last);
    }
}
