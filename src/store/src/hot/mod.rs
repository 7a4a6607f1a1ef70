//! The live tables, as the archiver sees them: the same steps on PostgreSQL and on the spool that is a database itself.

mod postgres;
mod sqlite;

use std::fmt::Write as _;
use std::ops::Range;
use std::path::PathBuf;

use tokio::sync::mpsc;

use crate::Row;
use crate::archive::{ArchiveError, Month, Part, Span};
use crate::postgres::Database;

pub(crate) use postgres::PostgresHot;
pub(crate) use sqlite::SqliteHot;

/// Rows on their way to whoever writes them: handed over when there are enough, by number or by size.
#[derive(Debug)]
struct Heap<'a> {
    rows: Vec<Row>,
    bytes: usize,
    to: &'a mpsc::Sender<Vec<Row>>,
}

const HEAP_ROWS: usize = 4096;
const HEAP_BYTES: usize = 1 << 20;

impl<'a> Heap<'a> {
    fn new(to: &'a mpsc::Sender<Vec<Row>>) -> Self {
        Self {
            rows: Vec::with_capacity(HEAP_ROWS),
            bytes: 0,
            to,
        }
    }

    async fn push(&mut self, row: Row) -> Result<(), ArchiveError> {
        self.bytes +=
            row.query.len() + row.username.len() + row.query_raw.as_ref().map_or(0, Vec::len);
        self.rows.push(row);
        if self.rows.len() >= HEAP_ROWS || self.bytes >= HEAP_BYTES {
            self.hand_over().await?;
        }
        Ok(())
    }

    async fn hand_over(&mut self) -> Result<(), ArchiveError> {
        self.bytes = 0;
        let rows = std::mem::replace(&mut self.rows, Vec::with_capacity(HEAP_ROWS));
        self.to.send(rows).await.map_err(|_| ArchiveError::Stopped)
    }
}

/// Rows of files on their way back.
pub(crate) type Heaps = mpsc::Receiver<Result<Vec<Row>, ArchiveError>>;

/// The condition for the records that some files cover. `number` is a client's number in the store.
fn in_spans(parts: &[Part], number: impl Fn(&Span) -> Option<i64>) -> String {
    let mut sql = "(false".to_owned();
    for span in parts.iter().flat_map(|part| &part.spans) {
        if let Some(client) = number(span) {
            let Span { after, through, .. } = span;
            let _ = write!(
                sql,
                " OR client = {client} AND seq > {after} AND seq <= {through}"
            );
        }
    }
    sql.push(')');
    sql
}

/// Which records to read.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Microseconds since 1970: the first, and the first that is too late.
    pub(crate) micros: Range<i64>,
    /// Where: a table that was taken away from the others, or where they all are.
    pub(crate) detached: Option<String>,
    /// Without those that are covered by these.
    pub(crate) without: Vec<Span>,
    /// Only those that are covered by these, where there are any.
    pub(crate) only: Vec<Span>,
}

impl Wanted {
    pub(crate) fn all_of(month: Month) -> Self {
        Self::between(month.micros())
    }

    /// All that is live of this time.
    pub(crate) fn between(micros: Range<i64>) -> Self {
        Self {
            micros,
            detached: None,
            without: Vec::new(),
            only: Vec::new(),
        }
    }
}

/// Where the records of a study are.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of them")]
pub enum Place {
    /// In PostgreSQL.
    Database(Database),
    /// In the spool of this data directory, which is the database itself.
    Spool(PathBuf),
}

/// The live tables.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of them")]
pub(crate) enum Hot {
    Postgres(PostgresHot),
    Sqlite(SqliteHot),
}

macro_rules! either {
    ($self:ident, $hot:ident => $does:expr) => {
        match $self {
            Hot::Postgres($hot) => $does,
            Hot::Sqlite($hot) => $does,
        }
    };
}

impl Hot {
    pub(crate) async fn open(place: &Place) -> Result<Self, ArchiveError> {
        Ok(match place {
            Place::Database(database) => Self::Postgres(PostgresHot::connect(database).await?),
            Place::Spool(dir) => Self::Sqlite(SqliteHot::open(dir).await?),
        })
    }

    /// Keeps every other archiver out until this is dropped.
    pub(crate) async fn lock(&mut self) -> Result<(), ArchiveError> {
        either!(self, hot => hot.lock().await)
    }

    /// Whether every other archiver is still kept out: a connection can be lost unnoticed.
    pub(crate) async fn holds_lock(&mut self) -> Result<(), ArchiveError> {
        match self {
            Self::Postgres(hot) => hot.holds_lock().await,
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// Makes what comes next run ahead: partitions of the next months.
    pub(crate) async fn prepare(&mut self) -> Result<(), ArchiveError> {
        either!(self, hot => hot.prepare().await)
    }

    /// Months that have records in the live tables, the oldest first.
    pub(crate) async fn months(&mut self) -> Result<Vec<Month>, ArchiveError> {
        either!(self, hot => hot.months().await)
    }

    /// All files that were ever begun, or those of one month, in order.
    pub(crate) async fn parts(&mut self, month: Option<Month>) -> Result<Vec<Part>, ArchiveError> {
        either!(self, hot => hot.parts(month).await)
    }

    /// Whether there are such records.
    pub(crate) async fn any(&mut self, wanted: &Wanted) -> Result<bool, ArchiveError> {
        either!(self, hot => hot.any(wanted).await)
    }

    /// How far each client has come.
    pub(crate) async fn reached(&mut self) -> Result<Vec<Span>, ArchiveError> {
        either!(self, hot => hot.reached().await)
    }

    /// Records that ever came in these days, wherever they are now: for people.
    pub(crate) async fn expected(&mut self, days: Range<i32>) -> Result<i64, ArchiveError> {
        either!(self, hot => hot.expected(days).await)
    }

    /// Reads records in the order in which they came, as of one moment; gives what they cover then.
    pub(crate) async fn read(
        &mut self,
        wanted: &Wanted,
        rows: &mpsc::Sender<Vec<Row>>,
    ) -> Result<Vec<Span>, ArchiveError> {
        either!(self, hot => hot.read(wanted, rows).await)
    }

    /// Notes that a file is begun, anew or once more.
    pub(crate) async fn begin(
        &mut self,
        month: Month,
        part: i32,
        location: &str,
    ) -> Result<i64, ArchiveError> {
        either!(self, hot => hot.begin(month, part, location).await)
    }

    /// Notes that a file with the same records is begun once more.
    pub(crate) async fn begin_again(
        &mut self,
        id: i64,
        location: &str,
    ) -> Result<(), ArchiveError> {
        either!(self, hot => hot.begin_again(id, location).await)
    }

    /// Notes that a file is complete.
    pub(crate) async fn written(&mut self, part: &Part) -> Result<(), ArchiveError> {
        either!(self, hot => hot.written(part).await)
    }

    /// Notes that a file was read back and is right.
    pub(crate) async fn verified(&mut self, id: i64) -> Result<(), ArchiveError> {
        either!(self, hot => hot.verified(id).await)
    }

    /// Tables that were taken away for this month and are still there.
    pub(crate) async fn detached(&mut self, month: Month) -> Result<Vec<String>, ArchiveError> {
        match self {
            Self::Postgres(hot) => hot.detached(month).await,
            Self::Sqlite(_) => Ok(Vec::new()),
        }
    }

    /// Whether the live records of the month are those of the files and those that came after them, and no others. Where
    /// nothing is taken away this is found out when they are deleted.
    pub(crate) async fn must_be_archived(
        &mut self,
        month: Month,
        covered: Vec<Span>,
        archived: i64,
    ) -> Result<(), ArchiveError> {
        match self {
            Self::Postgres(hot) => hot.must_be_archived(month, covered, archived).await,
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// Takes the month's table away from the others, where there are tables of months.
    pub(crate) async fn detach(&mut self, month: Month) -> Result<Option<String>, ArchiveError> {
        match self {
            Self::Postgres(hot) => hot.detach(month).await.map(Some),
            Self::Sqlite(_) => Ok(None),
        }
    }

    /// Deletes what is in verified files; gives the number of records.
    pub(crate) async fn drop_archived(
        &mut self,
        month: Month,
        detached: Option<&str>,
    ) -> Result<i64, ArchiveError> {
        either!(self, hot => hot.drop_archived(month, detached).await)
    }

    /// Takes away what an interrupted restore of the month left, where a restore is not one transaction.
    pub(crate) async fn tidy(&mut self, month: Month) -> Result<(), ArchiveError> {
        match self {
            Self::Postgres(_) => Ok(()),
            Self::Sqlite(hot) => hot.tidy(month).await,
        }
    }

    /// Puts the rows of some files back and notes that they are live. With `adopt` the store has not known the files.
    pub(crate) async fn restore(
        &mut self,
        month: Month,
        parts: &[Part],
        adopt: bool,
        rows: Heaps,
    ) -> Result<i64, ArchiveError> {
        match self {
            Self::Postgres(hot) => hot.restore(month, parts, adopt, rows).await,
            Self::Sqlite(_) if adopt => Err(ArchiveError::NotIntoASpool),
            Self::Sqlite(hot) => hot.restore(month, parts, rows).await,
        }
    }

    /// Days whose figures are missing or were computed from another number of records, with that number.
    pub(crate) async fn stale_days(&mut self) -> Result<Vec<(i32, i64)>, ArchiveError> {
        either!(self, hot => hot.stale_days().await)
    }

    /// Keeps the figures of a day.
    pub(crate) async fn save_day(
        &mut self,
        day: i32,
        searches: i64,
        figures: &str,
    ) -> Result<(), ArchiveError> {
        either!(self, hot => hot.save_day(day, searches, figures).await)
    }

    /// The figures of some days, in order.
    pub(crate) async fn days(
        &mut self,
        days: Range<i32>,
    ) -> Result<Vec<(i32, String)>, ArchiveError> {
        either!(self, hot => hot.days(days).await)
    }

    /// The journal between two moments, in microseconds since 1970, and before it from each client's last start on.
    pub(crate) async fn journal(
        &mut self,
        micros: Range<i64>,
    ) -> Result<Vec<JournalLine>, ArchiveError> {
        either!(self, hot => hot.journal(micros).await)
    }
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct JournalLine {
    pub(crate) client_id: String,
    /// Microseconds since 1970.
    pub(crate) at: i64,
    pub(crate) kind: String,
    pub(crate) detail: String,
}
