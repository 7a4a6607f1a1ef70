//! The days and the journal of a range, from the local store.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::Sqlite;

use super::day::{DayBuilder, DayError, DayFigures, DayOptions};
use super::journal::JournalEvent;
use super::quiet::{DAY, at, day_and_second};
use crate::{Reader, Row, Source, StoreError};

/// Fernet pseudonyms begin with their version, 0x80, and four zero bytes of the time.
const FERNET_BEGINS: &str = "gAAAAA";

/// Why a range could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What stands in it.
    #[error(transparent)]
    Day(#[from] DayError),
}

/// The figures of all days from `from` to `to` that have any record, and the journal up to the end of `to`.
///
/// Reads every record of these days; nothing is kept.
pub async fn load(
    reader: &Reader,
    from: Date,
    to: Date,
) -> Result<(Vec<DayFigures>, Vec<JournalEvent>), LoadError> {
    let (begin, end) = (at(from, 0), at(to, DAY));
    let days = days(reader, begin, end).await?;
    let events = events(reader, end).await?;
    Ok((days, events))
}

async fn days(
    reader: &Reader,
    begin: Timestamp,
    end: Timestamp,
) -> Result<Vec<DayFigures>, LoadError> {
    let failed = |source| StoreError::of_database(reader.path(), source);
    let mut connection = reader.connect().await?;
    let mut rows = sqlx::query_as::<Sqlite, (String, i64, i64, String, String, i64, i64, i64)>(
        "SELECT client.name, seq, received_at, username, query, token, source, branch_level \
         FROM search CROSS JOIN client ON client.id = search.client \
         WHERE received_at >= ? AND received_at < ? ORDER BY search.id",
    )
    .bind(begin.as_microsecond())
    .bind(end.as_microsecond())
    .fetch(&mut connection);
    let mut days: BTreeMap<Date, DayBuilder> = BTreeMap::new();
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        let row = to_row(row);
        let moment = Timestamp::from_microsecond(row.received_at).unwrap_or(begin);
        let (day, _) = day_and_second(moment);
        let builder = days.entry(day).or_insert_with(|| {
            let stable_names = !row.username.starts_with(FERNET_BEGINS);
            DayBuilder::new(day, DayOptions { stable_names })
        });
        builder.push(&row)?;
    }
    Ok(days.into_values().map(DayBuilder::finish).collect())
}

fn to_row(columns: (String, i64, i64, String, String, i64, i64, i64)) -> Row {
    let (client_id, seq, received_at, username, query, token, source, branch_level) = columns;
    Row {
        client_id: client_id.into(),
        spool: Arc::from(""),
        seq,
        received_at,
        username,
        query,
        query_raw: None,
        token: u32::try_from(token).unwrap_or_default(),
        source: match source {
            0 => Source::Parent,
            1 => Source::Embedded,
            2 => Source::Server,
            _ => Source::Direct,
        },
        branch_level: u32::try_from(branch_level).unwrap_or(u32::MAX),
        canary: false,
    }
}

async fn events(reader: &Reader, end: Timestamp) -> Result<Vec<JournalEvent>, StoreError> {
    let failed = |source| StoreError::of_database(reader.path(), source);
    let mut connection = reader.connect().await?;
    let rows = sqlx::query_as::<Sqlite, (String, i64, String, String)>(
        "SELECT client.name, at, kind, detail FROM event JOIN client ON client.id = event.client \
         WHERE at < ? ORDER BY event.id",
    )
    .bind(end.as_microsecond())
    .fetch_all(&mut connection)
    .await
    .map_err(failed)?;
    let events = rows.into_iter().map(|(client_id, at, kind, detail)| {
        let at = Timestamp::from_microsecond(at).unwrap_or(end);
        JournalEvent {
            client_id,
            at,
            kind,
            detail,
        }
    });
    Ok(events.collect())
}
