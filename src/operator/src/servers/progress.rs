//! How the work goes on, for whoever wants to show it.

use tokio::sync::mpsc;

use super::change::{Item, Verb};

/// Something has happened to an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// To which.
    pub item: Item,
    /// What.
    pub state: State,
}

/// How far the work on an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It has begun.
    Begun(Verb),
    /// What is being done, and how much of it in percent.
    Doing(String, u8),
    /// Something that a person should know.
    Note(String),
    /// It is done.
    Done,
    /// It has failed.
    Failed(String),
}

/// Where events go. Whoever does not listen loses nothing.
#[derive(Debug, Clone)]
pub struct Progress(Option<mpsc::UnboundedSender<Event>>);

impl Progress {
    /// For work that nobody watches.
    pub fn unwatched() -> Self {
        Self(None)
    }

    /// With the events. There are a few for each change, so nothing bounds them.
    pub fn watched() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(Some(sender)), receiver)
    }

    pub(super) fn tell(&self, item: &Item, state: State) {
        if let Some(sender) = &self.0 {
            let item = item.clone();
            // Nobody listens any more: nothing is lost by it.
            let _ = sender.send(Event { item, state });
        }
    }
}
