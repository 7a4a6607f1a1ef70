//! The report of a range from what a store keeps, and keeping the figures of days up to date.

use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::Date;
use tokio::sync::mpsc;

use super::day::{DayBuilder, DayError, DayFigures, DayOptions};
use super::journal::JournalEvent;
use super::quiet::{DAY, at};
use super::range::{Merge, Report, ReportOptions};
use crate::archive::{ArchiveError, Month, days_since_1970, file};
use crate::error::with_causes;
use crate::hot::{Hot, Place, Wanted};
use crate::postgres::PostgresError;
use crate::row::MICROS_A_DAY;
use crate::{Row, StoreError};

/// Documents of days that are held at once, each of about a megabyte.
const DAYS_AT_ONCE: i32 = 8;

/// Why a range could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The store, or an archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// What stands in it.
    #[error(transparent)]
    Day(#[from] DayError),
}

impl LoadError {
    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Archive(error) => error.hint(),
            Self::Day(error) => error.hint(),
        }
    }

    /// Whether the figures may be computed by others only: the user may not read records, or nothing can be written.
    fn is_for_others(&self) -> bool {
        matches!(
            self,
            Self::Archive(
                ArchiveError::Postgres(
                    PostgresError::Forbidden { .. } | PostgresError::ReadOnly { .. }
                ) | ArchiveError::Store(StoreError::ReadOnly { .. })
            )
        )
    }

    /// Whether other days may be well, or the figures that are kept already: it is not the way to the store.
    fn is_about_the_day(&self) -> bool {
        match self {
            Self::Archive(ArchiveError::Postgres(error)) => matches!(
                error,
                PostgresError::Other { .. }
                    | PostgresError::Locked { .. }
                    | PostgresError::Full { .. }
            ),
            Self::Archive(ArchiveError::Store(error)) => matches!(
                error,
                StoreError::Corrupt { .. }
                    | StoreError::Database { .. }
                    | StoreError::Busy { .. }
                    | StoreError::Full { .. }
            ),
            Self::Archive(_) | Self::Day(_) => true,
        }
    }

    /// Whether the connection may be left in the middle of something.
    fn leaves_a_mess(&self) -> bool {
        matches!(
            self,
            Self::Archive(
                ArchiveError::Postgres(_) | ArchiveError::Store(_) | ArchiveError::Unreadable(_)
            )
        )
    }

    /// One line with the causes and the hint.
    fn in_full(&self) -> String {
        let text = with_causes(self);
        match self.hint() {
            Some(hint) => format!("{text}; {hint}"),
            None => text,
        }
    }
}

/// What was done to bring the figures up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Days whose figures were computed.
    pub computed: Vec<Date>,
    /// Days whose figures could not be, and why.
    pub left: Vec<(Date, String)>,
    /// Whether figures may not be computed or kept here: the user can only read.
    pub read_only: bool,
}

/// Computes the figures of every day that has more records than its figures know, from live records and from archives.
///
/// Each record is read once, and again only when more come for its day. A day whose figures cannot be computed does not
/// hold up the others; that the store cannot be reached is an error.
pub async fn refresh(place: &Place) -> Result<Refreshed, LoadError> {
    let mut hot = Hot::open(place).await?;
    refresh_with(&mut hot, i32::MIN..i32::MAX, Some(place)).await
}

/// As [`refresh`], of some days, counted from 1970-01-01. Ends with the first day that the store itself cannot give.
pub(crate) async fn refresh_days(hot: &mut Hot, days: Range<i32>) -> Result<Refreshed, LoadError> {
    refresh_with(hot, days, None).await
}

/// Opens `place` once more where the connection is of no use any longer.
async fn refresh_with(
    hot: &mut Hot,
    days: Range<i32>,
    place: Option<&Place>,
) -> Result<Refreshed, LoadError> {
    let mut refreshed = Refreshed::default();
    for (number, expected) in hot.stale_days().await? {
        // A spool takes any clock; what is beyond the calendar is in no report.
        let Some(day) = date(number).filter(|_| days.contains(&number)) else {
            continue;
        };
        match refresh_day(hot, day, number, expected).await {
            Ok(None) => refreshed.computed.push(day),
            Ok(Some(reason)) => refreshed.left.push((day, reason)),
            Err(error) if error.is_for_others() => {
                refreshed.read_only = true;
                break;
            }
            Err(error) if error.is_about_the_day() => {
                refreshed.left.push((day, error.in_full()));
                if error.leaves_a_mess() {
                    let Some(place) = place else { break };
                    *hot = Hot::open(place).await?;
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(refreshed)
}

/// Computes and keeps the figures of a day; or says why it did not.
async fn refresh_day(
    hot: &mut Hot,
    day: Date,
    number: i32,
    expected: i64,
) -> Result<Option<String>, LoadError> {
    let figures = day_figures(hot, day, number).await?;
    let read = i64::try_from(figures.records).unwrap_or(i64::MAX);
    let today = days_since_1970(Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date());
    // Today goes on while it is read.
    if read < expected || (read > expected && number < today - 1) {
        return Ok(Some(format!("{expected} records came, {read} were found")));
    }
    hot.save_day(number, read, &figures.to_json()?).await?;
    Ok(None)
}

/// The figures of a day, from what is live and what is archived.
async fn day_figures(hot: &mut Hot, day: Date, number: i32) -> Result<DayFigures, LoadError> {
    let start = i64::from(number) * MICROS_A_DAY;
    let micros = start..start + MICROS_A_DAY;
    let mut builder = DayBuilder::new(day, DayOptions { stable_names: true });
    // Before the live records: what is archived while they are read is missed, not counted twice.
    let parts = hot.parts(Some(Month::of(at(day, 0)))).await?;
    // And these before the files, which nobody shall fetch who may not read records anyway.
    read_live(hot, micros.clone(), &mut builder).await?;
    for part in parts.iter().filter(|part| part.deleted) {
        let mut heaps = file::read(&part.file_path, Some(micros.clone())).await?;
        while let Some(heap) = heaps.recv().await {
            push(&mut builder, &heap?)?;
        }
    }
    Ok(builder.finish())
}

async fn read_live(
    hot: &mut Hot,
    micros: Range<i64>,
    builder: &mut DayBuilder,
) -> Result<(), LoadError> {
    let wanted = Wanted::between(micros);
    let (to, mut heaps) = mpsc::channel(2);
    let reading = async {
        let read = hot.read(&wanted, &to).await;
        drop(to);
        read
    };
    let building = async {
        let mut built = Ok(());
        // To the last heap, also if they are of no use: the reader waits until they are taken.
        while let Some(heap) = heaps.recv().await {
            built = built.and_then(|()| push(builder, &heap));
        }
        built
    };
    let (read, built) = tokio::join!(reading, building);
    read?;
    Ok(built?)
}

fn push(builder: &mut DayBuilder, heap: &[Row]) -> Result<(), DayError> {
    heap.iter().try_for_each(|row| builder.push(row))
}

/// The figures of a range, from those that are kept of its days and from the journal up to its end.
///
/// Holds the documents of a few days at once, however long the range is.
pub async fn load(place: &Place, options: ReportOptions) -> Result<Report, LoadError> {
    let ReportOptions { from, to, .. } = options;
    let mut hot = Hot::open(place).await?;
    let mut merge = Merge::default();
    let end = days_since_1970(to) + 1;
    let mut begin = days_since_1970(from);
    while begin < end {
        let next = end.min(begin + DAYS_AT_ONCE);
        for (_, figures) in hot.days(begin..next).await? {
            merge.add(DayFigures::from_json(&figures)?, &options);
        }
        begin = next;
    }
    let (begin, end) = (at(from, 0), at(to, DAY));
    let journal = hot
        .journal(begin.as_microsecond()..end.as_microsecond())
        .await?;
    let events = journal.into_iter().map(|line| JournalEvent {
        client_id: line.client_id,
        at: Timestamp::from_microsecond(line.at).unwrap_or(end),
        kind: line.kind,
        detail: line.detail,
    });
    Ok(merge.finish(&events.collect::<Vec<_>>(), &options))
}

/// None where jiff has no moments for it: that ends with 9999-12-30.
fn date(days_since_1970: i32) -> Option<Date> {
    let span = jiff::Span::new().try_days(days_since_1970).ok()?;
    let day = Date::constant(1970, 1, 1).checked_add(span).ok()?;
    day.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|_| day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::copy::dated;
    use crate::ship::day_of;
    use crate::{Row, Source};

    #[test]
    fn what_a_broken_clock_tells_belongs_to_the_first_or_last_day_that_has_figures() {
        for (clock, expected) in [(i64::MIN, "0001-01-01"), (i64::MAX, "9999-12-30")] {
            let day = date(day_of(clock)).unwrap();
            assert_eq!(day.to_string(), expected);
            let row = Row {
                client_id: "north".into(),
                spool: "5b".into(),
                seq: 1,
                received_at: dated(clock),
                username: "u1".into(),
                query: "blue train".into(),
                query_raw: None,
                token: 7,
                source: Source::Parent,
                branch_level: 1,
                canary: false,
            };
            let mut builder = DayBuilder::new(day, DayOptions { stable_names: true });
            builder.push(&row).unwrap();
            assert_eq!(builder.finish().records, 1);
        }
        // What a spool takes and nobody can name.
        assert_eq!(date(i32::MAX), None);
        assert_eq!(date(day_of(i64::MAX) + 1), None);
    }
}
