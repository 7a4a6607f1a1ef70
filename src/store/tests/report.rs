//! The figures of days in a spool that is the database itself.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use fleet_store::report::{MAX_CLIENTS, Refreshed, refresh};
use fleet_store::{Place, Record, Source, Spool, SpoolOptions};
use jiff::civil::date;
use tokio::time::timeout;

/// 2026-10-01T00:00:00Z
const FIRST: i64 = 1_790_812_800_000_000;
const DAY: i64 = 86_400_000_000;

/// Each client has so many records on a day, and one of them has one at each of `others`.
async fn spool(dir: &Path, clients: usize, records: i64, others: &[i64]) {
    let spool = Spool::open(dir, SpoolOptions::default()).await.unwrap();
    let record = |received_at| Record {
        received_at,
        username: "dXNlciBudW1iZXIgNw".into(),
        query: "blue train".into(),
        query_raw: None,
        token: 7,
        source: Source::Parent,
        branch_level: 1,
        canary: false,
    };
    let mut regions = Vec::new();
    for number in 0..clients {
        regions.push(spool.client(&format!("region{number}")).await.unwrap());
    }
    for n in 0..records {
        for region in &regions {
            region.append(record(FIRST + n * 1_000_000)).await.unwrap();
        }
    }
    for &at in others {
        regions[0].append(record(at)).await.unwrap();
    }
    spool.close().await.unwrap();
}

async fn refreshed(dir: &Path) -> Refreshed {
    let place = Place::Spool(dir.into());
    let refreshing = timeout(Duration::from_mins(2), refresh(&place));
    refreshing.await.expect("it does not end").unwrap()
}

/// More records than are under way at once, so that a reader whom nobody hears would wait for ever.
#[tokio::test]
async fn a_day_of_too_many_clients_does_not_hold_up_the_others() {
    let dir = tempfile::tempdir().unwrap();
    spool(dir.path(), MAX_CLIENTS + 1, 400, &[FIRST + DAY]).await;
    let refreshed = refreshed(dir.path()).await;
    assert_eq!(refreshed.computed, [date(2026, 10, 2)]);
    let [(day, reason)] = &refreshed.left[..] else {
        panic!("{refreshed:?}");
    };
    assert_eq!(*day, date(2026, 10, 1));
    assert_eq!(
        reason,
        "more than 64 clients recorded on 2026-10-01; the records are kept, but have no figures: give some regions a \
         database of their own, so that none has more than 64"
    );
}

#[tokio::test]
async fn a_clock_beyond_the_calendar_is_no_trouble_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    spool(dir.path(), 1, 1, &[i64::MIN / 2, i64::MAX]).await;
    let refreshed = refreshed(dir.path()).await;
    assert_eq!(refreshed.computed, [date(2026, 10, 1)]);
    assert_eq!(refreshed.left, []);
}
