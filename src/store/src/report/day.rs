//! The figures of one day, from all its rows in one pass.
//!
//! Memory grows with the rows of the day: 12 bytes for each row, about 40 for each different query, about 60 more for
//! each query that two users typed and 600 at most for what more users typed. `benches/report.rs` measures it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::canary::CanarySeen;
use super::overlap::SeenBy;
use super::queries::{Queries, TOP_KEPT, TopQuery, normalize};
use super::quiet::{DAY, Seconds, at};
use super::sightings::Sightings;
use super::sketch::{Sketch, stable_hash};
use crate::{Row, Source};

/// Clients that a day can have: a set of them is a 64-bit number while the day is read.
pub const MAX_CLIENTS: usize = 64;

/// The version of the JSON form of [`DayFigures`].
const VERSION: u32 = 1;
/// Fernet pseudonyms begin with their version, 0x80, and four zero bytes of the time.
const FERNET_BEGINS: &str = "gAAAAA";
/// Queries of this many words and more are counted together.
const MOST_WORDS: usize = 20;

/// The figures of one day (UTC), as a store keeps them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayFigures {
    /// The version of this form: 1.
    pub version: u32,
    /// The day, in UTC.
    pub day: Date,
    /// All rows that were read, canaries too: figures are good as long as the store has this many.
    pub records: u64,
    /// Whether the same user has the same pseudonym in all rows. Otherwise nothing here knows of users.
    pub stable_names: bool,
    /// By `client_id`.
    pub clients: BTreeMap<String, ClientDay>,
    /// Different users of all clients together.
    pub users: Option<Sketch<2048>>,
    /// Different queries of all clients together, regardless of case and blanks.
    pub queries: Sketch<2048>,
    /// The queries with most users, at most [`TOP_KEPT`], each with at least two: not for publication as they are.
    pub top: Vec<TopQuery>,
    /// Whether more queries had two users.
    pub top_is_cut: bool,
    /// How many searches were seen by exactly which clients.
    pub seen_by: Vec<SeenBy>,
    /// The fleet's own searches, which are in none of the other figures.
    pub canaries: Vec<CanarySeen>,
}

/// What one client recorded on a day, over all its spools, without canaries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientDay {
    /// Records.
    pub searches: u64,
    /// Records in each hour of the day.
    pub hours: [u64; 24],
    /// Records by the way they came.
    pub sources: Sources,
    /// Different users.
    pub users: Option<Sketch<2048>>,
    /// Different queries, regardless of case and blanks.
    pub queries: Sketch<2048>,
    /// Records by the number of words in the query: 0, 1, … 19, 20 or more.
    pub words: [u64; MOST_WORDS + 1],
    /// Characters of the longest query.
    pub longest_query: u64,
    /// Records that repeat one of this client: same user, token and query within 110 seconds.
    pub duplicates: u64,
    /// Times of ten seconds and more without a record, in seconds of the day: from, and before.
    pub quiet: Vec<(u32, u32)>,
}

/// Records by the way they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// From the parent in the tree.
    pub parent: u64,
    /// Embedded, from the parent in the tree.
    pub embedded: u64,
    /// From the server, as a branch root.
    pub server: u64,
    /// Aimed at this account.
    pub direct: u64,
}

impl Sources {
    fn count(&mut self, source: Source) {
        let count = match source {
            Source::Parent => &mut self.parent,
            Source::Embedded => &mut self.embedded,
            Source::Server => &mut self.server,
            Source::Direct => &mut self.direct,
        };
        *count += 1;
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.parent += other.parent;
        self.embedded += other.embedded;
        self.server += other.server;
        self.direct += other.direct;
    }
}

impl DayFigures {
    /// The JSON document that a store keeps.
    pub fn to_json(&self) -> Result<String, DayError> {
        serde_json::to_string(self).map_err(DayError::Json)
    }

    /// Reads what [`DayFigures::to_json`] wrote. A document of another version is an error: compute the day again.
    pub fn from_json(text: &str) -> Result<Self, DayError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = serde_json::from_str(text).map_err(DayError::Json)?;
        if version != VERSION {
            return Err(DayError::Version(version));
        }
        serde_json::from_str(text).map_err(DayError::Json)
    }
}

/// What the rows alone do not say.
#[derive(Clone, Copy, Debug)]
pub struct DayOptions {
    /// Whether the same user always has the same pseudonym: not with the scheme `fernet`, of which a single row is
    /// recognised and makes the day one without. Without it users cannot be counted, no query can be shown to have
    /// several users, and searches are compared by token and query only.
    pub stable_names: bool,
}

/// Why a day has no figures.
#[derive(Debug, thiserror::Error)]
pub enum DayError {
    /// A row belongs to another day.
    #[error("record {seq} of {client_id} does not belong to {day}")]
    OtherDay {
        /// Whose it is.
        client_id: Arc<str>,
        /// Its number.
        seq: i64,
        /// The day that is being read.
        day: Date,
    },
    /// Too many clients.
    #[error("more than {MAX_CLIENTS} clients recorded on {0}")]
    TooManyClients(Date),
    /// A document of another version of this program.
    #[error("the figures have version {0}, known is {VERSION}")]
    Version(u32),
    /// Not a document with figures.
    #[error("the figures of the day are not readable")]
    Json(#[source] serde_json::Error),
}

impl DayError {
    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::OtherDay { .. } => None,
            Self::TooManyClients(_) => Some(format!(
                "the records are kept, but have no figures: give some regions a database of their own, so that none has \
                 more than {MAX_CLIENTS}"
            )),
            Self::Version(_) | Self::Json(_) => {
                Some("delete the stored figures of the day; they are computed again".into())
            }
        }
    }
}

/// Reads the rows of a day, in any order.
#[derive(Debug)]
pub struct DayBuilder {
    day: Date,
    /// Microseconds since 1970 at its beginning.
    begin: i64,
    options: DayOptions,
    /// Whether that is true of every row so far.
    stable_names: bool,
    records: u64,
    clients: Vec<(Arc<str>, ClientDay, Seconds)>,
    users: Sketch<2048>,
    query_sketch: Sketch<2048>,
    queries: Queries,
    sightings: Sightings,
    hasher: RandomState,
    canaries: Vec<CanarySeen>,
    normalized: String,
}

impl DayBuilder {
    /// For the rows of `day`, from midnight to midnight in UTC.
    pub fn new(day: Date, options: DayOptions) -> Self {
        Self {
            day,
            begin: at(day, 0).as_microsecond(),
            options,
            stable_names: options.stable_names,
            records: 0,
            clients: Vec::new(),
            users: Sketch::default(),
            query_sketch: Sketch::default(),
            queries: Queries::new(),
            sightings: Sightings::default(),
            hasher: RandomState::new(),
            canaries: Vec::new(),
            normalized: String::new(),
        }
    }

    /// Takes a row.
    pub fn push(&mut self, row: &Row) -> Result<(), DayError> {
        let ms = self.millisecond(row)?;
        let client = self.client(&row.client_id)?;
        self.records += 1;
        if row.canary {
            // A sign of life all the same.
            if let Some((_, _, seconds)) = self.clients.get_mut(client) {
                seconds.insert(ms / 1000);
            }
            self.canaries.push(CanarySeen::of(row));
            return Ok(());
        }
        normalize(&row.query, &mut self.normalized);
        let query = stable_hash(self.normalized.as_bytes());
        let fernet = row.username.starts_with(FERNET_BEGINS);
        if fernet && self.stable_names {
            // One person could look like several: what was counted so far must not be shown either.
            self.stable_names = false;
            self.queries = Queries::new();
        }
        let comparable = self.options.stable_names && !fernet;
        let user = comparable.then_some(row.username.as_str());
        let search = (user.unwrap_or_default(), row.token, row.query.as_str());
        let client_bits = u8::try_from(client).unwrap_or_default();
        self.sightings
            .push(self.hasher.hash_one(search), ms, client_bits);
        self.query_sketch.insert_hash(query);
        let user = user.filter(|_| self.stable_names);
        let user = user.map(|user| stable_hash(user.as_bytes()));
        if let Some(user) = user {
            self.users.insert_hash(user);
            self.queries.push(&self.normalized, query, user);
        }
        let words = self.normalized.split_terminator(' ').count();
        let length = row.query.chars().count() as u64;
        let Some((_, day, seconds)) = self.clients.get_mut(client) else {
            return Ok(());
        };
        seconds.insert(ms / 1000);
        day.searches += 1;
        if let Some(count) = day.hours.get_mut(ms as usize / 3_600_000) {
            *count += 1;
        }
        if let Some(count) = day.words.get_mut(words.min(MOST_WORDS)) {
            *count += 1;
        }
        day.sources.count(row.source);
        day.queries.insert_hash(query);
        if let (Some(user), Some(users)) = (user, &mut day.users) {
            users.insert_hash(user);
        }
        day.longest_query = day.longest_query.max(length);
        Ok(())
    }

    fn millisecond(&self, row: &Row) -> Result<u32, DayError> {
        let since = row.received_at.checked_sub(self.begin);
        let ms = since.and_then(|micros| u32::try_from(micros.div_euclid(1000)).ok());
        ms.filter(|&ms| ms < DAY * 1000)
            .ok_or_else(|| DayError::OtherDay {
                client_id: Arc::clone(&row.client_id),
                seq: row.seq,
                day: self.day,
            })
    }

    /// The place of a client.
    fn client(&mut self, name: &Arc<str>) -> Result<usize, DayError> {
        if let Some(known) = self.clients.iter().position(|(known, ..)| known == name) {
            return Ok(known);
        }
        if self.clients.len() >= MAX_CLIENTS {
            return Err(DayError::TooManyClients(self.day));
        }
        let empty = ClientDay {
            searches: 0,
            hours: [0; 24],
            sources: Sources::default(),
            users: self.options.stable_names.then(Sketch::default),
            queries: Sketch::default(),
            words: [0; MOST_WORDS + 1],
            longest_query: 0,
            duplicates: 0,
            quiet: Vec::new(),
        };
        self.clients.push((Arc::clone(name), empty, Seconds::new()));
        Ok(self.clients.len() - 1)
    }

    /// The figures.
    pub fn finish(mut self) -> DayFigures {
        let stable_names = self.stable_names;
        let seen = self.sightings.finish(self.clients.len());
        let (top, top_is_cut) = self.queries.top(TOP_KEPT);
        let names: Vec<&str> = self.clients.iter().map(|(name, ..)| &**name).collect();
        let mut seen_by: Vec<SeenBy> = seen
            .by
            .iter()
            .map(|(&set, &searches)| SeenBy::new(set, &names, searches))
            .collect();
        seen_by.sort_by(|a, b| a.clients.cmp(&b.clients));
        self.canaries
            .sort_by(|a, b| (a.at, &a.client_id).cmp(&(b.at, &b.client_id)));
        let clients = self.clients.into_iter().zip(seen.duplicates);
        let clients = clients.map(|((name, day, seconds), duplicates)| {
            let quiet = seconds.quiet();
            let day = ClientDay {
                users: day.users.filter(|_| stable_names),
                duplicates,
                quiet,
                ..day
            };
            (name.to_string(), day)
        });
        DayFigures {
            version: VERSION,
            day: self.day,
            records: self.records,
            stable_names,
            clients: clients.collect(),
            users: stable_names.then_some(self.users),
            queries: self.query_sketch,
            top,
            top_is_cut,
            seen_by,
            canaries: self.canaries,
        }
    }
}
