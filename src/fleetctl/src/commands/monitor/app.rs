//! What is on the screen, beside the snapshot: which region is selected, and whether help is shown.

use super::keys::Action;
use super::snapshot::{Region, Snapshot};
use super::view::theme::Theme;

/// What is drawn.
#[derive(Debug)]
pub(super) struct App {
    pub(super) snapshot: Snapshot,
    pub(super) theme: Theme,
    pub(super) help: bool,
    selected: usize,
}

impl App {
    pub(super) fn new(snapshot: Snapshot, theme: Theme) -> Self {
        Self {
            snapshot,
            theme,
            help: false,
            selected: 0,
        }
    }

    /// Does what was wanted; says whether to go on.
    pub(super) fn act(&mut self, action: Action) -> bool {
        let count = self.snapshot.regions.len().max(1);
        match action {
            Action::Quit => return false,
            Action::Leave if !self.help => return false,
            Action::Leave => self.help = false,
            Action::Help => self.help = !self.help,
            Action::Next => self.selected = (self.selected + 1) % count,
            Action::Previous => self.selected = (self.selected + count - 1) % count,
            Action::Redraw => {}
        }
        true
    }

    /// The selected region's place among all, if there are any.
    pub(super) fn selected(&self) -> Option<(usize, &Region)> {
        let index = self
            .selected
            .min(self.snapshot.regions.len().checked_sub(1)?);
        Some((index, self.snapshot.regions.get(index)?))
    }
}
