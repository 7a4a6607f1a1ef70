//! How much memory the report of a long range takes. Alone in its process, of which the peak is looked at.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use fleet_store::report::{DayBuilder, DayOptions, ReportOptions, load};
use fleet_store::{DATABASE_FILE, Place, Row, Source, Spool, SpoolOptions};
use jiff::civil::date;
use jiff::{Timestamp, ToSpan as _};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

/// 2026-01-01, and microseconds since 1970 then.
const FIRST: i64 = 1_767_225_600_000_000;
const DAYS: i32 = 120;

/// A day with a full list of queries, each of 70 users: a document of about a megabyte.
fn document() -> String {
    let mut builder = DayBuilder::new(date(2026, 1, 1), DayOptions { stable_names: true });
    for n in 0..70_000_u32 {
        let row = Row {
            client_id: "north".into(),
            spool: "5b".into(),
            seq: 1,
            received_at: FIRST + i64::from(n) * 1_000_000,
            username: format!("user{}", n / 1000),
            query: format!("a query with the number {}", n % 1000),
            query_raw: None,
            token: n,
            source: Source::Parent,
            branch_level: 1,
            canary: false,
        };
        builder.push(&row).unwrap();
    }
    builder.finish().to_json().unwrap()
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() / 1024
}

#[tokio::test]
async fn a_long_range_takes_no_more_memory_than_a_short_one() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), SpoolOptions::default())
        .await
        .unwrap();
    spool.close().await.unwrap();
    let file = dir.path().join(DATABASE_FILE);
    let mut connection = SqliteConnectOptions::new()
        .filename(file)
        .connect()
        .await
        .unwrap();
    let document = document();
    assert!(document.len() > 700_000, "{}", document.len());
    let first = i32::try_from(FIRST / 86_400_000_000).unwrap();
    for n in 0..DAYS {
        let day = date(2026, 1, 1).checked_add(n.days()).unwrap().to_string();
        sqlx::query("INSERT INTO day_figures (day, searches, figures) VALUES (?, 70000, ?)")
            .bind(first + n)
            .bind(document.replacen("2026-01-01", &day, 1))
            .execute(&mut connection)
            .await
            .unwrap();
    }
    connection.close().await.unwrap();

    let place = Place::Spool(dir.path().to_owned());
    let to = date(2026, 1, 1).checked_add((DAYS - 1).days()).unwrap();
    let options = ReportOptions::new(date(2026, 1, 1), to, Timestamp::MAX);
    let before = peak_mib();
    let report = load(&place, options).await.unwrap();
    let taken = peak_mib() - before;
    assert_eq!(report.totals.complete_days, 120);
    assert_eq!(report.totals.searches, 120 * 70_000);
    assert_eq!(report.unlisted_queries, 950);
    // The documents alone are some 100 MiB.
    assert!(taken < 64, "{taken} MiB");
}
