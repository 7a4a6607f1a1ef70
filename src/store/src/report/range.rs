//! The figures of a range of days, from those of its days and the collectors' journal.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::canary::{self, CanaryFigures, CanarySeen};
use super::day::{ClientDay, DayFigures, Sources};
use super::journal::{self, Coverage, JournalEvent};
use super::overlap::{Overlap, OverlapBuilder};
use super::queries::TopQuery;
use super::quiet::{DAY, QuietTimes, at};
use super::sketch::{Estimate, Sketch};

/// The version of the JSON form of [`Report`].
const VERSION: u32 = 1;
/// The kind of the journal's entry that says how many repeated searches were left out since the last one of its kind.
const DUPLICATES: &str = "duplicates";
const CANARY_SENT: &str = "canary sent";

/// `part` of `whole`, 0 to 1, to six digits; none of nothing.
#[expect(
    clippy::cast_precision_loss,
    reason = "a share needs no more than six digits"
)]
pub(crate) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 1e6).round() / 1e6)
}

/// What to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportOptions {
    /// The first day, in UTC.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// The time of now: a day that has not ended is incomplete.
    pub now: Timestamp,
    /// A query is published only if at least this many users typed it.
    pub min_users: u64,
    /// At most this many queries are published.
    pub top: usize,
}

impl ReportOptions {
    /// At least five users, fifty queries.
    pub fn new(from: Date, to: Date, now: Timestamp) -> Self {
        Self {
            from,
            to,
            now,
            min_users: 5,
            top: 50,
        }
    }
}

/// The figures of a range of days. Its JSON form is documented in `docs/reports.md`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The version of this form: 1.
    pub version: u32,
    /// The first day, in UTC.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// When it was made.
    pub made_at: Timestamp,
    /// The whole range.
    pub totals: Totals,
    /// Each client over the range.
    pub clients: Vec<ClientReport>,
    /// Each day of the range, also those that have no figures.
    pub days: Vec<DayLine>,
    /// Fewer users than this, and a query is withheld.
    pub min_users: u64,
    /// The queries with most users.
    pub top_queries: Vec<PublishedQuery>,
    /// Queries of the days' lists with fewer users than that.
    pub withheld_queries: u64,
    /// Queries that have enough users, but are beyond the length of the list.
    pub unlisted_queries: u64,
    /// What the regions have in common.
    pub overlap: Overlap,
    /// When each client collected.
    pub coverage: Vec<Coverage>,
    /// The fleet's own searches.
    pub canaries: CanaryFigures,
}

/// The whole range, all clients together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Records.
    pub searches: u64,
    /// Different searches: what several regions saw counts once.
    pub different_searches: u64,
    /// Different users; none where pseudonyms are not stable.
    pub users: Option<Estimate>,
    /// Different queries, regardless of case and blanks.
    pub queries: Estimate,
    /// Days that have ended and have figures.
    pub complete_days: u64,
    /// Days that have figures and go on.
    pub incomplete_days: u64,
    /// Days without figures.
    pub missing_days: u64,
}

/// One client over the range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientReport {
    /// The client.
    pub client_id: String,
    /// Records.
    pub searches: u64,
    /// Different users.
    pub users: Option<Estimate>,
    /// Different queries.
    pub queries: Estimate,
    /// Records by the way they came.
    pub sources: Sources,
    /// Records in each hour of the day (UTC), added up over the complete days; over all days if none is complete.
    pub hours: [u64; 24],
    /// Days that `hours` adds up.
    pub hours_days: u64,
    /// Records by the number of words in the query: 0, 1, … 19, 20 or more.
    pub words: [u64; 21],
    /// Characters of the longest query.
    pub longest_query: u64,
    /// Records that repeat one of this client.
    pub duplicates: u64,
    /// Repeated searches that the collector left out, as its journal says.
    pub duplicates_dropped: u64,
}

/// Whether a day can be compared with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DayState {
    /// It has ended.
    Complete,
    /// It goes on.
    Incomplete,
    /// There are no figures.
    Missing,
}

impl DayState {
    /// The word that people see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::Missing => "missing",
        }
    }
}

/// One day, all clients together. Without figures all numbers are absent, not zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DayLine {
    /// The day, in UTC.
    pub day: Date,
    /// Whether it is whole.
    pub state: DayState,
    /// Records.
    pub searches: Option<u64>,
    /// Different searches.
    pub different_searches: Option<u64>,
    /// Different users.
    pub users: Option<Estimate>,
    /// Different queries.
    pub queries: Option<Estimate>,
    /// Each client that had begun to record, in the order of [`Report::clients`]; empty without figures.
    pub clients: Vec<ClientSeries>,
}

/// One client on one day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientSeries {
    /// The client.
    pub client_id: String,
    /// Records.
    pub searches: u64,
    /// Different users.
    pub users: Option<Estimate>,
    /// Different queries.
    pub queries: Estimate,
    /// Records by the way they came.
    pub sources: Sources,
    /// Records that repeat one of this client.
    pub duplicates: u64,
    /// Seconds of the day in which it collected nothing.
    pub down_seconds: u64,
}

/// A query that enough users typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedQuery {
    /// Trimmed, in lower case, with single blanks.
    pub query: String,
    /// Records with it, in all regions together.
    pub searches: u64,
    /// Users who typed it, at least: days on which it was not among the most frequent do not count.
    pub users: Estimate,
}

impl Report {
    /// Puts days together. Days outside the range are left out, and of two with the same date the first one counts.
    ///
    /// `events` is the journal of all clients up to the end of the range; to know what a client was doing when the range
    /// began, give its events from its last `started` before the range on.
    pub fn merge(
        days: impl IntoIterator<Item = DayFigures>,
        events: &[JournalEvent],
        options: ReportOptions,
    ) -> Self {
        let mut merge = Merge::default();
        for day in days {
            merge.add(day, &options);
        }
        merge.finish(events, &options)
    }
}

/// What is added up of a client.
#[derive(Debug, Default)]
struct ClientSum {
    searches: u64,
    users: Sketch<2048>,
    queries: Sketch<2048>,
    sources: Sources,
    hours: [u64; 24],
    hours_days: u64,
    incomplete_hours: [u64; 24],
    incomplete_days: u64,
    words: [u64; 21],
    longest_query: u64,
    duplicates: u64,
    quiet: QuietTimes,
}

impl ClientSum {
    fn add(&mut self, day: Date, figures: ClientDay, complete: bool) -> ClientSeries {
        let ClientDay {
            searches,
            hours,
            sources,
            users,
            queries,
            words,
            longest_query,
            duplicates,
            quiet,
        } = figures;
        self.searches += searches;
        self.sources.add(sources);
        self.queries.merge(&queries);
        if let Some(users) = &users {
            self.users.merge(users);
        }
        let (sum, days) = if complete {
            (&mut self.hours, &mut self.hours_days)
        } else {
            (&mut self.incomplete_hours, &mut self.incomplete_days)
        };
        add_each(sum, &hours);
        *days += 1;
        add_each(&mut self.words, &words);
        self.longest_query = self.longest_query.max(longest_query);
        self.duplicates += duplicates;
        self.quiet.insert(day, quiet);
        ClientSeries {
            client_id: String::new(),
            searches,
            users: users.map(|users| users.estimate()),
            queries: queries.estimate(),
            sources,
            duplicates,
            down_seconds: 0,
        }
    }

    fn finish(self, client_id: &str, stable_names: bool, dropped: u64) -> ClientReport {
        let (hours, hours_days) = if self.hours_days > 0 {
            (self.hours, self.hours_days)
        } else {
            (self.incomplete_hours, self.incomplete_days)
        };
        ClientReport {
            client_id: client_id.to_owned(),
            searches: self.searches,
            users: stable_names.then(|| self.users.estimate()),
            queries: self.queries.estimate(),
            sources: self.sources,
            hours,
            hours_days,
            words: self.words,
            longest_query: self.longest_query,
            duplicates: self.duplicates,
            duplicates_dropped: dropped,
        }
    }
}

fn add_each(sums: &mut [u64], more: &[u64]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}

/// The days that were added so far: what the report needs of them, not the days.
#[derive(Debug, Default)]
pub(super) struct Merge {
    days: BTreeMap<Date, DayLine>,
    clients: BTreeMap<String, ClientSum>,
    users: Sketch<2048>,
    queries: Sketch<2048>,
    unstable_names: bool,
    top: HashMap<String, (u64, Sketch<64>)>,
    overlap: OverlapBuilder,
    canaries: Vec<CanarySeen>,
}

impl Merge {
    pub(super) fn add(&mut self, day: DayFigures, options: &ReportOptions) {
        let in_range = day.day >= options.from && day.day <= options.to;
        if !in_range || self.days.contains_key(&day.day) {
            return;
        }
        self.overlap.add(&day);
        let complete = at(day.day, DAY) <= options.now;
        self.unstable_names |= !day.stable_names;
        self.queries.merge(&day.queries);
        if let Some(users) = &day.users {
            self.users.merge(users);
        }
        for TopQuery {
            query,
            searches,
            users,
        } in day.top
        {
            let sum = self.top.entry(query).or_default();
            sum.0 += searches;
            sum.1.merge(&users);
        }
        self.canaries.extend(day.canaries);
        let mut line = DayLine {
            day: day.day,
            state: if complete {
                DayState::Complete
            } else {
                DayState::Incomplete
            },
            searches: Some(day.clients.values().map(|client| client.searches).sum()),
            different_searches: Some(day.seen_by.iter().map(|set| set.searches).sum()),
            users: day.users.as_ref().map(Sketch::estimate),
            queries: Some(day.queries.estimate()),
            clients: Vec::new(),
        };
        for (client_id, figures) in day.clients {
            let sum = self.clients.entry(client_id.clone()).or_default();
            let series = sum.add(day.day, figures, complete);
            line.clients.push(ClientSeries {
                client_id,
                ..series
            });
        }
        self.days.insert(day.day, line);
    }

    pub(super) fn finish(self, events: &[JournalEvent], options: &ReportOptions) -> Report {
        let stable_names = !self.unstable_names;
        let (from, end) = (at(options.from, 0), at(options.to, DAY));
        let mut journal = by_client(events);
        let mut sums = self.clients;
        for client in regions(&journal) {
            sums.entry(client).or_default();
        }
        let mut coverage = Vec::new();
        let mut clients = Vec::new();
        for (client_id, sum) in sums {
            let events = journal.remove(&client_id).unwrap_or_default();
            let events = events.iter().copied();
            let dropped = duplicates(events.clone(), from, end);
            let to = end.min(options.now);
            let covered = journal::coverage(&client_id, events, &sum.quiet, from, to);
            // Neither a record nor a word in the range: it belongs to another time.
            if covered.is_none() && sum.searches == 0 {
                continue;
            }
            coverage.extend(covered);
            clients.push(sum.finish(&client_id, stable_names, dropped));
        }
        let names: Vec<String> = clients
            .iter()
            .map(|client| client.client_id.clone())
            .collect();
        let days = lines(self.days, &names, &coverage, options);
        let overlap = self.overlap.finish(&names);
        let count = |state| days.iter().filter(|day| day.state == state).count() as u64;
        let totals = Totals {
            searches: clients.iter().map(|client| client.searches).sum(),
            different_searches: overlap.searches,
            users: stable_names.then(|| self.users.estimate()),
            queries: self.queries.estimate(),
            complete_days: count(DayState::Complete),
            incomplete_days: count(DayState::Incomplete),
            missing_days: count(DayState::Missing),
        };
        let (top_queries, withheld_queries, unlisted_queries) = publish(self.top, options);
        let canaries = canary::figures(events, &self.canaries, &coverage, from, end);
        Report {
            version: VERSION,
            from: options.from,
            to: options.to,
            made_at: options.now,
            totals,
            clients,
            days,
            min_users: options.min_users,
            top_queries,
            withheld_queries,
            unlisted_queries,
            overlap,
            coverage,
            canaries,
        }
    }
}

/// In the order of time; what was handed over at the same time keeps its order.
fn by_client(events: &[JournalEvent]) -> BTreeMap<String, Vec<&JournalEvent>> {
    let mut journal: BTreeMap<String, Vec<&JournalEvent>> = BTreeMap::new();
    for event in events {
        journal
            .entry(event.client_id.clone())
            .or_default()
            .push(event);
    }
    for events in journal.values_mut() {
        events.sort_by_key(|event| event.at);
    }
    journal
}

/// Who has a journal because it collects: the account that sends canaries does not.
fn regions(journal: &BTreeMap<String, Vec<&JournalEvent>>) -> BTreeSet<String> {
    let collect = journal
        .iter()
        .filter(|(_, events)| events.iter().all(|event| event.kind != CANARY_SENT));
    collect.map(|(client, _)| client.clone()).collect()
}

fn duplicates<'e>(
    events: impl Iterator<Item = &'e JournalEvent>,
    from: Timestamp,
    to: Timestamp,
) -> u64 {
    events
        .filter(|event| event.kind == DUPLICATES && event.at >= from && event.at < to)
        .filter_map(|event| u64::try_from(journal::leading_number(&event.detail)).ok())
        .sum()
}

/// Every day of the range, and every client on those that have figures.
fn lines(
    mut known: BTreeMap<Date, DayLine>,
    clients: &[String],
    coverage: &[Coverage],
    options: &ReportOptions,
) -> Vec<DayLine> {
    let mut lines = Vec::new();
    let mut day = options.from;
    while day <= options.to {
        let mut line = known.remove(&day).unwrap_or_else(|| DayLine {
            day,
            state: DayState::Missing,
            searches: None,
            different_searches: None,
            users: None,
            queries: None,
            clients: Vec::new(),
        });
        if line.state != DayState::Missing {
            line.clients = clients
                .iter()
                .filter_map(|client| on_day(client, &line, coverage))
                .collect();
        }
        lines.push(line);
        let Ok(tomorrow) = day.tomorrow() else { break };
        day = tomorrow;
    }
    lines
}

/// None before the client's first sign of life.
fn on_day(client: &str, line: &DayLine, coverage: &[Coverage]) -> Option<ClientSeries> {
    let (begin, end) = (at(line.day, 0), at(line.day, DAY));
    let coverage = coverage
        .iter()
        .find(|coverage| coverage.client_id == client);
    let mut known = line
        .clients
        .iter()
        .filter(|series| series.client_id == client);
    let series = match (known.next(), coverage) {
        (Some(series), _) => series.clone(),
        (None, Some(coverage)) if coverage.from < end => ClientSeries {
            client_id: client.to_owned(),
            searches: 0,
            users: line.users.map(|_| Estimate::default()),
            queries: Estimate::default(),
            sources: Sources::default(),
            duplicates: 0,
            down_seconds: 0,
        },
        (None, _) => return None,
    };
    Some(ClientSeries {
        down_seconds: coverage.map_or(0, |coverage| coverage.down_between(begin, end)),
        ..series
    })
}

/// The queries that may be published; how many may not, and how many the list has no room for.
fn publish(
    top: HashMap<String, (u64, Sketch<64>)>,
    options: &ReportOptions,
) -> (Vec<PublishedQuery>, u64, u64) {
    let all = top.len();
    let mut enough: Vec<PublishedQuery> = top
        .into_iter()
        .map(|(query, (searches, users))| PublishedQuery {
            query,
            searches,
            users: users.estimate(),
        })
        .filter(|query| query.users.value >= options.min_users)
        .collect();
    let withheld = all - enough.len();
    enough.sort_by_cached_key(|found| {
        let order = Reverse((found.users.value, found.searches));
        (order, found.query.clone())
    });
    let unlisted = enough.len().saturating_sub(options.top);
    enough.truncate(options.top);
    (enough, withheld as u64, unlisted as u64)
}
