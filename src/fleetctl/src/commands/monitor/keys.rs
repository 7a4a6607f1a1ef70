//! What keys mean.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What a person wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Leave; or, while help is shown, go back.
    Leave,
    /// Leave whatever is shown.
    Quit,
    /// To the next region.
    Next,
    /// To the region before.
    Previous,
    /// Show the keys, or hide them.
    Help,
    /// Draw again: the terminal has another size.
    Redraw,
}

/// The keys, for people.
pub(super) const KEYS: [(&str, &str); 5] = [
    ("↓ j tab", "next region"),
    ("↑ k shift-tab", "the region before"),
    ("?", "show or hide the keys"),
    ("esc", "back, or quit"),
    ("q ctrl-c", "quit"),
];

/// What an event means; nothing where it means nothing.
pub(super) fn action(event: &Event) -> Option<Action> {
    match event {
        Event::Resize(..) => Some(Action::Redraw),
        Event::Key(KeyEvent {
            code,
            modifiers,
            kind: KeyEventKind::Press | KeyEventKind::Repeat,
            ..
        }) => of_key(*code, *modifiers),
        _ => None,
    }
}

fn of_key(code: KeyCode, modifiers: KeyModifiers) -> Option<Action> {
    if modifiers.contains(KeyModifiers::CONTROL) {
        return (code == KeyCode::Char('c')).then_some(Action::Quit);
    }
    match code {
        KeyCode::Char('q') => Some(Action::Quit),
        KeyCode::Esc => Some(Action::Leave),
        KeyCode::Down | KeyCode::Right | KeyCode::Tab | KeyCode::Char('j') => Some(Action::Next),
        KeyCode::Up | KeyCode::Left | KeyCode::BackTab | KeyCode::Char('k') => {
            Some(Action::Previous)
        }
        KeyCode::Char('?' | 'h') => Some(Action::Help),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_what_the_help_says() {
        let key = |code, modifiers| action(&Event::Key(KeyEvent::new(code, modifiers)));
        let plain = |code| key(code, KeyModifiers::NONE);
        assert_eq!(plain(KeyCode::Char('q')), Some(Action::Quit));
        assert_eq!(
            key(KeyCode::Char('c'), KeyModifiers::CONTROL),
            Some(Action::Quit)
        );
        assert_eq!(plain(KeyCode::Char('c')), None);
        assert_eq!(key(KeyCode::Char('q'), KeyModifiers::CONTROL), None);
        assert_eq!(plain(KeyCode::Esc), Some(Action::Leave));
        assert_eq!(plain(KeyCode::Tab), Some(Action::Next));
        assert_eq!(
            key(KeyCode::BackTab, KeyModifiers::SHIFT),
            Some(Action::Previous)
        );
        assert_eq!(plain(KeyCode::Char('?')), Some(Action::Help));
        assert_eq!(action(&Event::Resize(80, 24)), Some(Action::Redraw));
        let mut released = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        released.kind = KeyEventKind::Release;
        assert_eq!(action(&Event::Key(released)), None);
    }
}
