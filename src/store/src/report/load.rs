//! The days and the journal of a range, and keeping the figures of days up to date.

use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::Date;
use tokio::sync::mpsc;

use super::day::{DayBuilder, DayError, DayFigures, DayOptions};
use super::journal::JournalEvent;
use super::quiet::{DAY, at};
use crate::Row;
use crate::archive::{ArchiveError, Month, days_since_1970, file};
use crate::hot::{Hot, Place, Wanted};
use crate::postgres::PostgresError;

const MICROS_A_DAY: i64 = 86_400_000_000;

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
}

/// What was done to bring the figures up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Days whose figures were computed.
    pub computed: Vec<Date>,
    /// Days whose figures could not be, and why.
    pub left: Vec<(Date, String)>,
    /// Whether figures may not be kept here, so that nothing was computed: the user can only read.
    pub read_only: bool,
}

/// Computes the figures of every day that has more records than its figures know, from live records and from archives.
///
/// Each record is read once, and again only when more come for its day.
pub async fn refresh(place: &Place) -> Result<Refreshed, LoadError> {
    let mut hot = Hot::open(place).await?;
    refresh_days(&mut hot, i32::MIN..i32::MAX).await
}

/// As [`refresh`], of some days, counted from 1970-01-01.
pub(crate) async fn refresh_days(hot: &mut Hot, days: Range<i32>) -> Result<Refreshed, LoadError> {
    let mut refreshed = Refreshed::default();
    let today = days_since_1970(Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date());
    for (number, expected) in hot.stale_days().await? {
        if !days.contains(&number) {
            continue;
        }
        let day = date(number);
        let (read, figures) = match day_figures(hot, day, number).await {
            Ok(computed) => computed,
            Err(LoadError::Archive(error)) if error.is_about_the_file() => {
                refreshed.left.push((day, error.to_string()));
                continue;
            }
            Err(error) => return Err(error),
        };
        // Today goes on while it is read.
        if read < expected || (read > expected && number < today - 1) {
            let reason = format!("{expected} records came, {read} were found");
            refreshed.left.push((day, reason));
            continue;
        }
        match hot.save_day(number, read, &figures.to_json()?).await {
            Ok(()) => refreshed.computed.push(day),
            Err(ArchiveError::Postgres(PostgresError::Forbidden { .. })) => {
                refreshed.read_only = true;
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(refreshed)
}

/// The figures of a day, from what is live and what is archived; and how many records that were.
async fn day_figures(
    hot: &mut Hot,
    day: Date,
    number: i32,
) -> Result<(i64, DayFigures), LoadError> {
    let start = i64::from(number) * MICROS_A_DAY;
    let micros = start..start + MICROS_A_DAY;
    let month = Month::of(at(day, 0));
    let mut counting = Counting {
        builder: DayBuilder::new(day, DayOptions { stable_names: true }),
        records: 0,
    };
    for part in hot.parts(Some(month)).await? {
        if part.deleted {
            let mut heaps = file::read(&part.file_path, Some(micros.clone())).await?;
            while let Some(heap) = heaps.recv().await {
                counting.push(&heap?)?;
            }
        }
    }
    let wanted = Wanted {
        micros,
        detached: None,
        without: Vec::new(),
    };
    let (to, mut heaps) = mpsc::channel(2);
    let reading = async {
        let read = hot.read(&wanted, &to).await;
        drop(to);
        read
    };
    let building = async {
        while let Some(heap) = heaps.recv().await {
            counting.push(&heap)?;
        }
        Ok::<_, LoadError>(())
    };
    let (read, built) = tokio::join!(reading, building);
    built?;
    read?;
    Ok((counting.records, counting.builder.finish()))
}

struct Counting {
    builder: DayBuilder,
    records: i64,
}

impl Counting {
    fn push(&mut self, heap: &[Row]) -> Result<(), LoadError> {
        for row in heap {
            self.builder.push(row)?;
            self.records += 1;
        }
        Ok(())
    }
}

/// The figures of all days from `from` to `to` that have any, and the journal up to the end of `to`.
pub async fn load(
    place: &Place,
    from: Date,
    to: Date,
) -> Result<(Vec<DayFigures>, Vec<JournalEvent>), LoadError> {
    let mut hot = Hot::open(place).await?;
    let days = hot
        .days(days_since_1970(from)..days_since_1970(to) + 1)
        .await?;
    let days: Result<Vec<DayFigures>, DayError> = days
        .iter()
        .map(|(_, figures)| DayFigures::from_json(figures))
        .collect();
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
    Ok((days?, events.collect()))
}

fn date(days_since_1970: i32) -> Date {
    let span = jiff::Span::new()
        .try_days(days_since_1970)
        .unwrap_or_default();
    Date::constant(1970, 1, 1).saturating_add(span)
}
