//! What people and machines do to archives: two studies in one place, databases that are put back, damaged files, rows
//! written by hand, archivers that lose their connection. Nothing is lost, and what is wrong is told.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use fleet_tests::{
    postgres::Postgres,
    study::{PATIENCE, Study, arg, fleetd, output, said},
};
use tokio::time::Instant;

const MONTH: &str = "2026-09";
const BEGIN: &str = "2026-09-01T00:00:00Z";
/// A minute between two records.
const STEP: u64 = 60_000;
/// `fleetctl`: a store could not be used.
const STORE: i32 = 5;
/// `fleetctl`: an archive file is not what it should be.
const ARCHIVE: i32 = 6;

/// Brings a region to so many records of the month.
async fn collect(study: &Study<'_>, records: u64) {
    study.collect("north", BEGIN, STEP, records).await.unwrap();
}

fn files(study: &Study<'_>) -> String {
    arg(&study.files()).to_owned()
}

async fn archive(study: &Study<'_>, more: &[&str]) -> String {
    let files = files(study);
    let run = ["archive", "run", "--month", MONTH, "--destination", &files];
    study.run(&[&run[..], more].concat()).await.unwrap()
}

/// `records in files|live records`
async fn counts(study: &Study<'_>) -> String {
    study
        .psql(
            "SELECT (SELECT coalesce(sum(record_count), 0) FROM soulseek.archives WHERE deleted), \
             (SELECT count(*) FROM soulseek.searches)",
        )
        .await
        .unwrap()
}

fn part(study: &Study<'_>, name: &str) -> PathBuf {
    study
        .files()
        .join(format!("searches_{MONTH}{name}.parquet"))
}

#[tokio::test]
async fn a_file_of_another_study_or_of_a_later_state_is_not_overwritten() {
    let server = Postgres::start().await.unwrap();
    let study = Study::new(&server, "first").await.unwrap();
    collect(&study, 60).await;
    // Two states to go back to: before the archive, and while it is being written.
    for copy in ["older", "half"] {
        server
            .psql(
                "postgres",
                &format!("CREATE DATABASE {copy} TEMPLATE first"),
            )
            .await
            .unwrap();
    }
    collect(&study, 100).await;
    archive(&study, &[]).await;
    assert_eq!(counts(&study).await, "100|0");
    let file = fs::read(part(&study, "")).unwrap();
    let begun = format!(
        "INSERT INTO soulseek.archives (month, part, file_path) VALUES ('{MONTH}', 0, '{}')",
        part(&study, "").display()
    );
    server.psql("half", &begun).await.unwrap();

    let other = Study::new(&server, "second").await.unwrap();
    collect(&other, 20).await;
    for url in [other.url(), &server.url("older"), &server.url("half")] {
        let mut run = fleetd(
            url,
            &["archive", "--month", MONTH, "--destination", &files(&study)],
        )
        .unwrap();
        let ended = output(&mut run).await.unwrap();
        assert!(!ended.status.success(), "{url}");
        assert!(
            said(&ended).contains("is there already"),
            "{}",
            said(&ended)
        );
        assert!(
            said(&ended).contains("a destination of its own"),
            "{}",
            said(&ended)
        );
    }
    assert_eq!(fs::read(part(&study, "")).unwrap(), file);
    assert_eq!(counts(&other).await, "0|20");
    assert_eq!(
        server
            .psql("half", "SELECT count(*) FROM soulseek.searches")
            .await
            .unwrap(),
        "60"
    );
    study.run(&["archive", "verify"]).await.unwrap();
    // In a place of its own it goes.
    archive(&other, &[]).await;
    assert_eq!(counts(&other).await, "20|0");
}

#[tokio::test]
async fn a_table_that_was_taken_away_ends_where_it_was_taken() {
    let server = Postgres::start().await.unwrap();
    let study = Study::new(&server, "taken").await.unwrap();
    collect(&study, 100).await;
    archive(&study, &["--no-delete"]).await;
    collect(&study, 110).await;
    // An archiver that ends here, and records that go on.
    study
        .psql(&format!("SELECT soulseek.detach_month('{MONTH}')"))
        .await
        .unwrap();
    collect(&study, 120).await;
    archive(&study, &[]).await;
    assert_eq!(counts(&study).await, "120|0");
    collect(&study, 125).await;
    archive(&study, &[]).await;
    assert_eq!(counts(&study).await, "125|0");
    study.run(&["archive", "verify"]).await.unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_written_again_while_its_records_are_live() {
    let server = Postgres::start().await.unwrap();
    let study = Study::new(&server, "damaged").await.unwrap();
    collect(&study, 100).await;
    archive(&study, &["--no-delete"]).await;
    collect(&study, 120).await;
    archive(&study, &["--no-delete"]).await;
    for damage in [flip, remove] {
        damage(&part(&study, ""));
        let told = study
            .refusal(ARCHIVE, &["archive", "verify"])
            .await
            .unwrap();
        assert!(told.contains("archive the month again"), "{told}");
        // A run that is interrupted here finds the file begun, and others after it.
        study
            .psql(
                "UPDATE soulseek.archives SET state = 'writing', archived_at = NULL WHERE part = 0",
            )
            .await
            .unwrap();
        archive(&study, &["--no-delete"]).await;
        study.run(&["archive", "verify"]).await.unwrap();
        assert_eq!(counts(&study).await, "0|120");
    }
    flip(&part(&study, ""));
    archive(&study, &[]).await;
    study.run(&["archive", "verify"]).await.unwrap();
    assert_eq!(counts(&study).await, "120|0");
}

fn remove(file: &Path) {
    fs::remove_file(file).unwrap();
}

fn flip(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn a_month_that_cannot_be_archived_does_not_keep_the_next_from_it() {
    let server = Postgres::start().await.unwrap();
    let study = Study::new(&server, "strays").await.unwrap();
    collect(&study, 100).await;
    let october = study.collect("south", "2026-10-01T00:00:00Z", STEP, 50);
    october.await.unwrap();
    let stray = "INSERT INTO soulseek.search (seq, received_at, token, client, origin, username, query) \
                 VALUES (5000, '2026-09-11', 1, 1, 0, 'x', 'by hand')";
    study.psql(stray).await.unwrap();

    let files = files(&study);
    let all = [
        "archive",
        "run",
        "--keep-months",
        "0",
        "--destination",
        &files,
    ];
    for _ in 0..2 {
        let told = study.refusal(STORE, &all).await.unwrap();
        assert!(told.contains("101 records of 2026-09"), "{told}");
        // The month stays where people find it; the next one is done.
        assert_eq!(counts(&study).await, "50|101");
    }
    study
        .psql("DELETE FROM soulseek.search WHERE seq = 5000")
        .await
        .unwrap();
    study.run(&all).await.unwrap();
    assert_eq!(counts(&study).await, "150|0");
    assert!(!part(&study, "_late1").exists());
}

#[tokio::test]
async fn an_archiver_that_is_alone_no_longer_stops() {
    let server = Postgres::start().await.unwrap();
    let study = Study::new(&server, "lock").await.unwrap();
    // The lock is an idle transaction, which some servers end soon.
    study
        .psql("ALTER DATABASE lock SET idle_in_transaction_session_timeout = '3s'")
        .await
        .unwrap();
    study.collect("north", BEGIN, 20, 60_000).await.unwrap();
    let contents = study.contents().await.unwrap();
    let mut run = fleetd(
        study.url(),
        &["archive", "--month", MONTH, "--destination", &files(&study)],
    )
    .unwrap();
    let run = run.stderr(Stdio::piped()).spawn().unwrap();
    let lost = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'lock' \
                AND state = 'idle in transaction' AND query LIKE '%pg_try_advisory%'";
    let deadline = Instant::now() + PATIENCE;
    while study.psql(lost).await.unwrap() == "0" {
        assert!(Instant::now() < deadline, "there was no lock");
    }
    let ended = run.wait_with_output().await.unwrap();
    assert!(!ended.status.success(), "{}", said(&ended));
    assert!(
        said(&ended).contains("keeps other archivers out"),
        "{}",
        said(&ended)
    );
    assert_eq!(study.contents().await.unwrap(), contents);

    archive(&study, &[]).await;
    assert_eq!(counts(&study).await, "60000|0");
}
