//! Colours: the sixteen that every terminal has and that people choose to their taste, or none.

use ratatui::style::{Color, Modifier, Style};

use crate::commands::monitor::snapshot::Phase;

/// How things look.
#[derive(Debug, Clone, Copy)]
pub(in crate::commands::monitor) struct Theme {
    /// Names of things.
    pub(super) title: Style,
    /// What leads the eye: the selected row, keys.
    pub(super) accent: Style,
    /// The figures over time, the low ones first.
    pub(super) graph: [Style; 3],
    /// Frames, units, what is not important.
    pub(super) dim: Style,
    pub(super) good: Style,
    pub(super) doubtful: Style,
    pub(super) bad: Style,
}

impl Theme {
    /// With colours, unless somebody wants none (`NO_COLOR`).
    pub(in crate::commands::monitor) fn of_environment() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if unwanted {
            Self::plain()
        } else {
            Self::coloured()
        }
    }

    pub(in crate::commands::monitor) fn coloured() -> Self {
        let of = |color| Style::new().fg(color);
        Self {
            title: of(Color::Reset).add_modifier(Modifier::BOLD),
            accent: of(Color::Cyan).add_modifier(Modifier::BOLD),
            graph: [of(Color::Blue), of(Color::Cyan), of(Color::LightCyan)],
            dim: of(Color::DarkGray),
            good: of(Color::Green),
            doubtful: of(Color::Yellow),
            bad: of(Color::Red).add_modifier(Modifier::BOLD),
        }
    }

    pub(in crate::commands::monitor) fn plain() -> Self {
        let bold = Style::new()
            .add_modifier(Modifier::BOLD)
            .remove_modifier(Modifier::DIM);
        let plain = Style::new();
        Self {
            title: bold,
            accent: bold,
            graph: [plain; 3],
            dim: plain.add_modifier(Modifier::DIM),
            good: plain,
            doubtful: bold,
            bad: bold.add_modifier(Modifier::REVERSED),
        }
    }

    pub(super) fn of_phase(&self, phase: Phase) -> Style {
        match phase {
            Phase::Root | Phase::Fed => self.good,
            Phase::Searching => self.doubtful,
            Phase::Disconnected | Phase::Unreachable => self.bad,
            Phase::Unknown => self.dim,
        }
    }
}
