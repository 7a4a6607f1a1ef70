//! What a collector is doing, for the progress display, readiness and `/readyz`.

use std::time::Duration;

use fleet_soulseek::session::Refusal;
use tokio::time::Instant;

/// Where a collector is on its way to searches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// On the way to the server.
    Connecting,
    /// Logged in, and looking for a parent.
    Searching,
    /// A parent sends searches; the level is our distance from the root.
    Fed {
        /// 1 is right below the root.
        level: u32,
    },
    /// The server sends searches.
    Root,
    /// The server is away; the next try comes at the time given.
    Waiting {
        /// Why.
        reason: String,
        /// When.
        until: Instant,
    },
    /// The server does not want us. A person has to act.
    Refused(Refusal),
}

/// What the phase is made of: the server and the feed come and go on their own, for a parent stays
/// while the server is away.
#[derive(Debug)]
pub(crate) struct Phases {
    server: Phase,
    feed: Option<Phase>,
}

impl Phases {
    pub(crate) fn new() -> Self {
        Self {
            server: Phase::Connecting,
            feed: None,
        }
    }

    pub(crate) fn set_server(&mut self, server: Phase) {
        // The server's own searches end with it.
        if server != Phase::Searching && self.feed == Some(Phase::Root) {
            self.feed = None;
        }
        self.server = server;
    }

    pub(crate) fn set_feed(&mut self, feed: Option<Phase>) {
        self.feed = feed;
    }

    pub(crate) fn current(&self) -> Phase {
        match (&self.server, &self.feed) {
            (Phase::Refused(_), _) | (_, None) => self.server.clone(),
            (_, Some(feed)) => feed.clone(),
        }
    }
}

/// A collector's figures.
#[derive(Debug, Clone)]
pub struct State {
    /// Where it is.
    pub phase: Phase,
    /// Searches that the spool has taken.
    pub recorded: u64,
    /// Searches that were seen twice.
    pub duplicates: u64,
    /// When the last search was read.
    pub last_search: Option<Instant>,
    /// Nodes to which searches are passed on.
    pub children: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            phase: Phase::Connecting,
            recorded: 0,
            duplicates: 0,
            last_search: None,
            children: 0,
        }
    }
}

impl State {
    /// Why nobody should count on this collector now, if so. `quiet` is how long it may record nothing.
    pub fn not_ready(&self, now: Instant, quiet: Duration) -> Option<String> {
        match &self.phase {
            Phase::Connecting => Some("connecting to the server".to_owned()),
            Phase::Searching => Some("looking for a parent in the search tree".to_owned()),
            Phase::Waiting { reason, until } => {
                let left = until.saturating_duration_since(now).as_secs();
                Some(format!("{reason}; next try in {left} s"))
            }
            Phase::Refused(refusal) => Some(format!("{refusal}; {}", refusal.hint())),
            Phase::Fed { .. } | Phase::Root => match self.last_search {
                Some(last) if now.saturating_duration_since(last) <= quiet => None,
                _ => Some(format!("no search for {} s", quiet.as_secs())),
            },
        }
    }
}
