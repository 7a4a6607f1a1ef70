//! What one transaction brings to the database.

use std::collections::{BTreeMap, BTreeSet};

use crate::postgres::copy::{Rows, dated};
use crate::postgres::record::PackedRecord;
use crate::row::MICROS_A_DAY;

/// A record as the spool holds it.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Search {
    pub(super) id: i64,
    pub(super) client: i64,
    pub(super) seq: i64,
    pub(super) received_at: i64,
    pub(super) username: String,
    pub(super) query: String,
    pub(super) query_raw: Option<Vec<u8>>,
    pub(super) token: i64,
    pub(super) source: i64,
    pub(super) branch_level: i64,
}

/// A line of the journal as the spool holds it.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Event {
    pub(super) id: i64,
    pub(super) client: i64,
    pub(super) at: i64,
    pub(super) kind: String,
    pub(super) detail: String,
}

/// How far a client has come in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The client's number in the database.
    pub(super) client: i32,
    pub(super) last_seq: i64,
    /// When its last record was received, as the database keeps times; the database may not know.
    pub(super) last_at: Option<i64>,
    pub(super) last_event: i64,
}

/// What a batch brings of one client.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) from: Cursor,
    pub(super) to: Cursor,
    /// Numbers between the two that the spool does not have.
    pub(super) missing: i64,
    /// Records a day, in days since 1970-01-01.
    pub(super) days: BTreeMap<i32, i64>,
}

/// What one transaction brings.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) searches: Rows,
    pub(super) events: Rows,
    /// By the client's number in the spool.
    pub(super) steps: BTreeMap<i64, Step>,
    /// The first day of each month that it needs, in days since 1970-01-01.
    pub(super) days: BTreeSet<i32>,
    pub(super) records: u64,
    /// The last ids that it holds of the spool, or those of before.
    pub(super) last_search: i64,
    pub(super) last_event: i64,
}

impl Batch {
    pub(super) fn new(last_search: i64, last_event: i64) -> Self {
        Self {
            searches: Rows::new(),
            events: Rows::new(),
            steps: BTreeMap::new(),
            days: BTreeSet::new(),
            records: 0,
            last_search,
            last_event,
        }
    }

    /// Whether it changes anything in the database.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Bytes that it will send.
    pub(super) fn bytes(&self) -> usize {
        self.searches.len() + self.events.len()
    }

    /// Takes a record, unless the database has it.
    pub(super) fn add_search(&mut self, row: &Search, cursor: Cursor) {
        self.last_search = row.id;
        let step = Step::of(&mut self.steps, row.client, cursor);
        if row.seq <= step.to.last_seq {
            return;
        }
        step.missing += row.seq - step.to.last_seq - 1;
        step.to.last_seq = row.seq;
        step.to.last_at = Some(dated(row.received_at));
        let day = day_of(row.received_at);
        *step.days.entry(day).or_default() += 1;
        self.days.insert(day);
        self.records += 1;
        write(&mut self.searches, row, cursor.client);
    }

    /// Takes a line of the journal, unless the database has it.
    pub(super) fn add_event(&mut self, event: &Event, cursor: Cursor) {
        self.last_event = event.id;
        let step = Step::of(&mut self.steps, event.client, cursor);
        if event.id <= step.to.last_event {
            return;
        }
        step.to.last_event = event.id;
        let rows = &mut self.events;
        rows.row(5);
        rows.i32(cursor.client);
        rows.i64(event.id);
        rows.time(event.at);
        rows.text(&event.kind);
        rows.text(&event.detail);
    }

    /// Leaves out the clients of which the database has everything.
    pub(super) fn finish(mut self) -> Self {
        self.steps.retain(|_, step| step.from != step.to);
        self
    }
}

impl Step {
    fn of(steps: &mut BTreeMap<i64, Self>, client: i64, cursor: Cursor) -> &mut Self {
        steps.entry(client).or_insert_with(|| Self {
            from: cursor,
            to: cursor,
            missing: 0,
            days: BTreeMap::new(),
        })
    }
}

/// Days since 1970-01-01.
pub(crate) fn day_of(micros: i64) -> i32 {
    i32::try_from(dated(micros).div_euclid(MICROS_A_DAY)).unwrap_or_default()
}

fn write(rows: &mut Rows, row: &Search, client: i32) {
    let record = PackedRecord {
        seq: row.seq,
        received_at: row.received_at,
        token: u32::try_from(row.token).unwrap_or_default(),
        source: row.source,
        branch_level: row.branch_level,
        username: &row.username,
        query: &row.query,
        query_raw: row.query_raw.as_deref(),
    };
    record.write(rows, client);
}
