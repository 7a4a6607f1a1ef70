//! One distributed search as it was received.

use std::fmt;

/// The way a search came to this collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Distributed code 3, from the parent.
    Parent,
    /// Distributed code 93 (an embedded message), from the parent.
    Embedded,
    /// Server code 93: this collector is a branch root.
    Server,
    /// Server code 26: the search was aimed at this account, at its room or at its buddies.
    Direct,
}

impl Source {
    /// The number that the database keeps in bits 0 and 1 of `source`. The view `searches` of `migrations/sqlite` has
    /// the same table.
    pub(crate) const fn code(self) -> i64 {
        match self {
            Self::Parent => 0,
            Self::Embedded => 1,
            Self::Server => 2,
            Self::Direct => 3,
        }
    }

    /// The source by its number; the two lowest bits count.
    pub(crate) const fn of_code(code: i64) -> Self {
        match code & 3 {
            0 => Self::Parent,
            1 => Self::Embedded,
            2 => Self::Server,
            _ => Self::Direct,
        }
    }

    /// The opposite of [`as_str`](Self::as_str).
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        [Self::Parent, Self::Embedded, Self::Server, Self::Direct]
            .into_iter()
            .find(|source| source.as_str() == word)
    }

    /// The word that people and exports see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parent => "parent",
            Self::Embedded => "embedded",
            Self::Server => "server",
            Self::Direct => "direct",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One search.
///
/// Whoever makes a record replaces U+0000 in `query` by U+2400 (databases and CSV readers stop at NUL) and bytes that are
/// not UTF-8 by U+FFFD, and keeps the bytes as received in `query_raw` whenever anything was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub received_at: i64,
    /// The pseudonym of who searched, never the name.
    pub username: String,
    /// What was searched for.
    pub query: String,
    /// The bytes as received, only where `query` could not keep them.
    pub query_raw: Option<Vec<u8>>,
    /// The number that the searcher gave to the search.
    pub token: u32,
    /// The way it came.
    pub source: Source,
    /// Our level in the branch at that moment: 0 is a branch root.
    pub branch_level: u32,
    /// Whether the fleet itself sent it, to measure what a branch hears.
    pub canary: bool,
}

/// The bit of the database's `source` that says that the fleet itself sent the search.
const CANARY: i64 = 4;

pub(crate) const fn origin(source: Source, canary: bool) -> i64 {
    source.code() | if canary { CANARY } else { 0 }
}

impl Record {
    /// What the database keeps in `source`: the way it came, and whether it is a canary.
    pub(crate) const fn origin(&self) -> i64 {
        origin(self.source, self.canary)
    }

    /// Bytes on the heap.
    pub(crate) fn heap(&self) -> usize {
        self.username.len() + self.query.len() + self.query_raw.as_ref().map_or(0, Vec::len)
    }
}
