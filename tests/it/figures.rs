//! Keeping the figures of days up to date in PostgreSQL, where something is wrong with one of them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use fleet_store::{Record, Shipper, Source, Spool, SpoolOptions, postgres::Database};
use fleet_tests::{
    postgres::Postgres,
    region::quick,
    study::{Study, arg, fleetd, output, said, succeed},
};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

/// What `fleetd report` says; it must end well.
async fn refreshed(study: &Study<'_>) -> String {
    let mut report = fleetd(study.url(), &["report"]).unwrap();
    said(&succeed(&mut report).await.unwrap())
}

const FIGURES: &str = "SELECT day, searches FROM soulseek.day_figures ORDER BY day";

#[tokio::test]
async fn an_archive_that_cannot_be_reached_costs_the_days_in_it_and_no_others() {
    let server = Postgres::start().await.unwrap();
    let study = Study::new(&server, "fleet").await.unwrap();
    // 48 hours in September, 2 in October.
    study
        .collect("north", "2026-09-29T00:00:00Z", 60_000, 50 * 60)
        .await
        .unwrap();
    let files = study.files();
    let month = ["--month", "2026-09", "--destination", arg(&files)];
    study
        .run(&[&["archive", "run"], &month[..]].concat())
        .await
        .unwrap();
    study
        .psql("DELETE FROM soulseek.day_figures")
        .await
        .unwrap();
    let away = files.with_extension("away");
    std::fs::rename(&files, &away).unwrap();

    let mut command = study
        .fleetctl(&["report", "--from", "2026-10-01", "--to", "2026-10-01"])
        .unwrap();
    let output = output(&mut command).await.unwrap();
    let notes = said(&output);
    assert!(output.status.success(), "{notes}");
    for day in ["2026-09-29", "2026-09-30"] {
        let note = format!(
            "the figures of {day} are not up to date: there is no directory {}",
            arg(&files)
        );
        assert!(notes.contains(&note), "{notes}");
    }
    assert!(notes.contains("or mount what should be there"), "{notes}");
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains("searches recorded      120"), "{report}");

    std::fs::rename(&away, &files).unwrap();
    let log = refreshed(&study).await;
    assert!(!log.contains("not up to date"), "{log}");
    assert_eq!(
        study.psql(FIGURES).await.unwrap(),
        "2026-09-29|1440\n2026-09-30|1440\n2026-10-01|120"
    );
}

/// A record of a client that nobody has registered belongs to nobody.
#[tokio::test]
async fn a_day_that_cannot_be_read_costs_no_other() {
    let server = Postgres::start().await.unwrap();
    let study = Study::new(&server, "fleet").await.unwrap();
    study
        .collect("north", "2026-09-29T00:00:00Z", 10_000, 2 * 8_640)
        .await
        .unwrap();
    study
        .psql("UPDATE soulseek.search SET client = 99 WHERE seq = 4000")
        .await
        .unwrap();
    let log = refreshed(&study).await;
    assert!(log.contains("2026-09-29"), "{log}");
    assert!(log.contains("8640 records came, 8639 were found"), "{log}");
    assert_eq!(study.psql(FIGURES).await.unwrap(), "2026-09-30|8640");
}

/// Both ends of what a clock can tell.
#[tokio::test]
async fn a_broken_clock_has_figures_too() {
    let server = Postgres::start().await.unwrap();
    let study = Study::new(&server, "fleet").await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let database = Database::parse(&SecretString::from(study.url())).unwrap();
    let spool = Spool::open(dir.path(), SpoolOptions::default())
        .await
        .unwrap();
    let client = spool.client("north").await.unwrap();
    for received_at in [i64::MAX, i64::MIN, 1_790_812_800_000_000] {
        let record = Record {
            received_at,
            username: "dXNlciBudW1iZXIgNw".to_owned(),
            query: "blue train".to_owned(),
            query_raw: None,
            token: 7,
            source: Source::Parent,
            branch_level: 3,
            canary: false,
        };
        client.append(record).await.unwrap();
    }
    client.flush().await.unwrap();
    let shipper = Shipper::new(dir.path(), database, quick());
    let mut status = shipper.status();
    let stop = CancellationToken::new();
    let shipping = tokio::spawn(shipper.run(spool.status(), stop.clone()));
    status.wait_for(|status| status.shipped == 3).await.unwrap();
    spool.close().await.unwrap();
    stop.cancel();
    shipping.await.unwrap();

    let log = refreshed(&study).await;
    assert!(!log.contains("not up to date"), "{log}");
    assert_eq!(
        study.psql(FIGURES).await.unwrap(),
        "0001-01-01|1\n2026-10-01|1\n9999-12-30|1"
    );
    for (day, end) in [("0001-01-01", "0001-01-02"), ("9999-12-30", "9999-12-31")] {
        let report = ["report", "-o", "csv", "--from", day, "--to", end];
        let rows = study.run(&report).await.unwrap();
        assert!(rows.contains(&format!("\n{day},")), "{rows}");
        assert!(rows.contains(",north,1,1,0,1,0,"), "{rows}");
    }
}

/// One page of a table that the server cannot read, for example.
#[tokio::test]
async fn what_the_database_says_is_said_once_with_a_hint() {
    let server = Postgres::start().await.unwrap();
    let study = Study::new(&server, "fleet").await.unwrap();
    study
        .psql("ALTER TABLE soulseek.day_count RENAME searches TO others")
        .await
        .unwrap();
    let mut command = fleetd(study.url(), &["report"]).unwrap();
    let output = output(&mut command).await.unwrap();
    let log = said(&output);
    assert!(!output.status.success(), "{log}");
    assert_eq!(log.matches("does not exist").count(), 1, "{log}");
    assert!(log.contains("(SQLSTATE 42703)"), "{log}");
    assert!(!log.contains(" at line "), "{log}");
    assert!(log.contains("the server's own log says more"), "{log}");
}
