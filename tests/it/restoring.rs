//! Months that come back from their files, killed at every step and with files that are not right.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use fleet_store::{Reader, Record, Source, Spool, SpoolClient, SpoolOptions, Value};
use fleet_tests::{
    postgres::Postgres,
    study::{Study, arg, fleetctl, output, said, text},
    wire::{Action, Proxy, Side},
};
use futures_util::StreamExt as _;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

const FROM: &str = "2026-10-01T00:00:00Z";
const MONTH: &str = "2026-10";
const PATIENCE: Duration = Duration::from_mins(1);

async fn archive(study: &Study<'_>) -> String {
    let files = study.files();
    let args = [
        "archive",
        "run",
        "--month",
        MONTH,
        "--destination",
        arg(&files),
        "-o",
        "json",
    ];
    study.run(&args).await.unwrap()
}

async fn restore(study: &Study<'_>) -> String {
    study
        .run(&["archive", "restore", "--month", MONTH])
        .await
        .unwrap()
}

async fn live(study: &Study<'_>) -> String {
    study
        .psql("SELECT count(*) FROM soulseek.search")
        .await
        .unwrap()
}

/// `part|deleted|restored` of each file.
async fn states(study: &Study<'_>) -> String {
    let sql = "SELECT part, deleted, restored_at IS NOT NULL FROM soulseek.archives ORDER BY part";
    study.psql(sql).await.unwrap()
}

#[tokio::test]
async fn archived_restored_and_archived_again_everything_is_as_it_was() {
    let server = Postgres::start().await.unwrap();
    let study = Study::new(&server, "fleet").await.unwrap();
    study.collect("north", FROM, 100_000, 12_000).await.unwrap();
    study.collect("south", FROM, 100_000, 700).await.unwrap();
    let before = study.contents().await.unwrap();

    archive(&study).await;
    assert_eq!(
        (live(&study).await, states(&study).await),
        ("0".to_owned(), "0|t|f".to_owned())
    );
    let file = fs::read(study.files().join("searches_2026-10.parquet")).unwrap();

    let dry = study
        .run(&["archive", "restore", "--month", MONTH, "--dry-run"])
        .await
        .unwrap();
    assert_eq!(dry.trim(), "would restore 12700 records of 2026-10");
    assert_eq!(
        (live(&study).await, states(&study).await),
        ("0".to_owned(), "0|t|f".to_owned())
    );

    assert_eq!(
        restore(&study).await.trim(),
        "restored 12700 records of 2026-10"
    );
    assert_eq!(study.contents().await.unwrap(), before);
    assert_eq!(states(&study).await, "0|f|t");
    let again = study
        .refusal(1, &["archive", "restore", "--month", MONTH])
        .await
        .unwrap();
    assert!(again.contains("hint:"), "{again}");

    let lines = study
        .run(&["export", "--since", "2026-10-02"])
        .await
        .unwrap();
    assert_eq!(lines.lines().count(), 12_700 - 864 - 700);

    // A restored month stays, late records or not, until it is archived by its name.
    study.collect("late", FROM, 100_000, 300).await.unwrap();
    let with_late = study.contents().await.unwrap();
    let files = study.files();
    study
        .run(&[
            "archive",
            "run",
            "--destination",
            arg(&files),
            "--keep-months",
            "0",
        ])
        .await
        .unwrap();
    assert_eq!(study.contents().await.unwrap(), with_late);
    assert_eq!(states(&study).await, "0|f|t\n1|f|f");

    archive(&study).await;
    assert_eq!(
        (live(&study).await, states(&study).await),
        ("0".to_owned(), "0|t|f\n1|t|f".to_owned())
    );
    assert_eq!(
        fs::read(study.files().join("searches_2026-10.parquet")).unwrap(),
        file
    );

    assert_eq!(
        restore(&study).await.trim(),
        "restored 13000 records of 2026-10"
    );
    assert_eq!(study.contents().await.unwrap(), with_late);
    archive(&study).await;
    let exported = study
        .run(&["archive", "export", "--month", MONTH])
        .await
        .unwrap();
    assert_eq!(exported.lines().count(), 13_000);
    let some = [
        "archive",
        "export",
        "--month",
        MONTH,
        "--until",
        "2026-10-02",
        "--format",
        "csv",
    ];
    // A record in 100 seconds from the first midnight on, of three regions, and a header.
    assert_eq!(
        study.run(&some).await.unwrap().lines().count(),
        864 + 700 + 300 + 1
    );
}

/// Killed at every message to the database, when its answer is on the way: nothing has changed, or all of it.
#[tokio::test]
async fn killed_at_every_message_nothing_is_half_done() {
    let server = Postgres::start().await.unwrap();
    let study = Study::new(&server, "fleet").await.unwrap();
    study.collect("north", FROM, 100_000, 1_000).await.unwrap();
    let whole = study.contents().await.unwrap();
    archive(&study).await;
    let nothing = study.contents().await.unwrap();
    let (mut killed, mut finished) = (0, 0);
    // What comes after a message comes before the next one.
    for number in 1.. {
        let proxy = Proxy::start(server.address()).await.unwrap();
        let mut step = proxy.at(number, Side::After, Action::Notify);
        let mut child = study
            .fleetctl(&["archive", "restore", "--month", MONTH])
            .unwrap()
            .env("DATABASE_URL", proxy.url(study.url()))
            .spawn()
            .unwrap();
        let reached = tokio::select! {
            reached = step.reached() => { reached.unwrap(); true }
            ended = child.wait() => { assert!(ended.unwrap().success()); false }
        };
        if reached {
            child.kill().await.unwrap();
            killed += 1;
        }
        drop(proxy);
        study.alone().await.unwrap();
        let found = study.contents().await.unwrap();
        let state = states(&study).await;
        if found == nothing {
            assert!(reached);
            assert_eq!(state, "0|t|f");
        } else {
            assert_eq!(
                (found, state.as_str()),
                (whole.clone(), "0|f|t"),
                "message {number}"
            );
            finished += 1;
            archive(&study).await;
            assert_eq!(study.contents().await.unwrap(), nothing);
        }
        if !reached {
            break;
        }
    }
    assert!(
        killed > 60 && finished == 2,
        "killed {killed}, finished {finished}"
    );
    restore(&study).await;
    assert_eq!(study.contents().await.unwrap(), whole);
}

#[tokio::test]
async fn a_new_database_takes_the_files_and_the_regions_go_on() {
    let server = Postgres::start().await.unwrap();
    let old = Study::new(&server, "old").await.unwrap();
    old.collect("north", FROM, 100_000, 5_000).await.unwrap();
    let whole = old.contents().await.unwrap();
    archive(&old).await;
    old.collect("late", FROM, 100_000, 300).await.unwrap();
    archive(&old).await;
    restore(&old).await;
    let whole_and_late = old.contents().await.unwrap();
    assert_ne!(whole, whole_and_late);

    let new = Study::new(&server, "new").await.unwrap();
    let files = old.files();
    let restore_from = [
        "archive",
        "restore",
        "--month",
        MONTH,
        "--from",
        arg(&files),
    ];
    // As the role that is there for this.
    server
        .psql(
            "new",
            "CREATE ROLE keeper LOGIN PASSWORD 'secret' IN ROLE fleet_archiver",
        )
        .await
        .unwrap();
    let mut as_archiver = new.fleetctl(&restore_from).unwrap();
    as_archiver.env("DATABASE_URL", server.url_as("keeper", "secret", "new"));
    let told = text(&mut as_archiver).await.unwrap();
    assert_eq!(told.trim(), "restored 5300 records of 2026-10");
    assert_eq!(new.contents().await.unwrap(), whole_and_late);
    let known = new.refusal(1, &restore_from).await.unwrap();
    assert!(
        known.contains("are known here") && known.contains("leave --from out"),
        "{known}"
    );

    // The region's spool goes on where the files end.
    let mut collector = old.collector("north", FROM, 100_000, 5_500).unwrap();
    let ended = output(collector.env("DATABASE_URL", new.url()))
        .await
        .unwrap();
    assert!(ended.status.success(), "{}", said(&ended));
    let sql = "SELECT count(*), count(DISTINCT seq), max(seq) FROM soulseek.searches WHERE client_id = 'north'";
    assert_eq!(new.psql(sql).await.unwrap(), "5500|5500|5500");
    // The new database archives to the same place: a file for what came since.
    let files = new.files();
    let all = [
        "archive",
        "run",
        "--month",
        MONTH,
        "--destination",
        arg(&files),
    ];
    new.run(&all).await.unwrap();
    assert_eq!(states(&new).await, "0|t|f\n1|t|f\n2|t|f");
}

/// What is done to a file, and what is said of it where the database knows the file and where it does not.
type Damage<'d> = (&'d str, Box<dyn Fn() + 'd>, [&'d str; 2]);

#[tokio::test]
async fn files_that_are_not_right_are_refused_and_nothing_changes() {
    let server = Postgres::start().await.unwrap();
    let study = Study::new(&server, "fleet").await.unwrap();
    study.collect("north", FROM, 100_000, 2_000).await.unwrap();
    archive(&study).await;
    let empty = Study::new(&server, "empty").await.unwrap();
    let (before, nothing) = (
        study.contents().await.unwrap(),
        empty.contents().await.unwrap(),
    );
    let file = study.files().join("searches_2026-10.parquet");
    let manifest = study.files().join("searches_2026-10.parquet.manifest.json");
    let right = fs::read(&file).unwrap();
    let right_manifest = fs::read(&manifest).unwrap();
    let files = study.files();
    let mut flipped = right.clone();
    flipped[right.len() / 2] ^= 0x10;
    let other = String::from_utf8(right_manifest.clone())
        .unwrap()
        .replace("\"sha256\": \"", "\"sha256\": \"0");

    let damages: [Damage<'_>; 5] = [
        (
            "truncated",
            Box::new(|| fs::write(&file, &right[..right.len() - 9]).unwrap()),
            ["bytes, not", "bytes, not"],
        ),
        (
            "flipped",
            Box::new(|| fs::write(&file, &flipped).unwrap()),
            ["SHA-256", "SHA-256"],
        ),
        (
            "no file",
            Box::new(|| fs::remove_file(&file).unwrap()),
            ["searches_2026-10.parquet", "searches_2026-10.parquet"],
        ),
        (
            "no manifest",
            Box::new(|| fs::remove_file(&manifest).unwrap()),
            ["manifest", "manifest is missing"],
        ),
        (
            "other manifest",
            Box::new(|| fs::write(&manifest, &other).unwrap()),
            ["manifest", "SHA-256"],
        ),
    ];
    for (name, damage, [known, unknown]) in damages {
        damage();
        let said = study
            .refusal(6, &["archive", "restore", "--month", MONTH])
            .await
            .unwrap();
        assert!(
            said.contains(known) && said.contains("hint:"),
            "{name}: {said}"
        );
        assert_eq!(
            (study.contents().await.unwrap(), states(&study).await),
            (before.clone(), "0|t|f".to_owned())
        );
        let from = [
            "archive",
            "restore",
            "--month",
            MONTH,
            "--from",
            arg(&files),
        ];
        let said = empty.refusal(6, &from).await.unwrap();
        assert!(
            said.contains(unknown) && said.contains("hint:"),
            "{name}: {said}"
        );
        assert_eq!(
            (empty.contents().await.unwrap(), states(&empty).await),
            (nothing.clone(), String::new())
        );
        let said = study.refusal(6, &["archive", "verify"]).await.unwrap();
        assert!(said.contains("1 of 1 archive files"), "{name}: {said}");
        fs::write(&file, &right).unwrap();
        fs::write(&manifest, &right_manifest).unwrap();
    }
    study
        .run(&["archive", "verify", "--month", MONTH])
        .await
        .unwrap();

    // What lies beside them is shown.
    fs::write(study.files().join(".searches_2026-09.parquet.partial"), "x").unwrap();
    fs::write(
        study.files().join("searches_2026-08.parquet.manifest.json"),
        "{}",
    )
    .unwrap();
    fs::write(study.files().join("notes.txt"), "mine").unwrap();
    fs::write(&file, &right[1..]).unwrap();
    let listed = study.run(&["archive", "ls", "-o", "json"]).await.unwrap();
    let problem = |part: &str| {
        let line = listed.lines().find(|line| line.contains(part))?;
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["problem"].as_str().map(str::to_owned)
    };
    assert_eq!(
        problem("2026-09").unwrap(),
        "left by an interrupted run; it may be deleted when no archiver is at work"
    );
    assert_eq!(
        problem("2026-08").unwrap(),
        "the store does not know this file"
    );
    assert!(
        problem("/searches_2026-10").unwrap().contains("bytes"),
        "{listed}"
    );
    assert_eq!(problem("notes"), None);
}

/// Numbers from a spool, beside whoever writes to it.
async fn numbers(dir: &Path, sql: &str) -> Vec<i64> {
    let reader = Reader::open(dir).await.unwrap();
    let mut query = reader.query(sql).await.unwrap();
    let row = query.rows().next().await.unwrap().unwrap();
    row.iter()
        .map(|value| {
            if let Value::Int(number) = value {
                *number
            } else {
                -1
            }
        })
        .collect()
}

async fn spool_with(dir: &Path, records: i64) -> (Spool, SpoolClient) {
    let spool = Spool::open(dir, SpoolOptions::default()).await.unwrap();
    let client = spool.client("north").await.unwrap();
    let from: jiff::Timestamp = FROM.parse().unwrap();
    for number in 0..records {
        client
            .append(record(from.as_microsecond() + number * 60_000_000))
            .await
            .unwrap();
    }
    client.flush().await.unwrap();
    (spool, client)
}

fn record(received_at: i64) -> Record {
    Record {
        received_at,
        username: "dXNlcg".to_owned(),
        query: format!("query {received_at}"),
        query_raw: (received_at % 7 == 0).then(|| vec![0xff]),
        token: 4_000_000_000,
        source: Source::Embedded,
        branch_level: 3,
        canary: received_at % 11 == 0,
    }
}

/// Records of the month with a fingerprint, and what is wrong with the counts: which must be nothing.
const OCTOBER: &str = "SELECT count(*), count(DISTINCT seq), sum(seq), sum(received_at / 1000000), sum(length(query)), \
    count(query_raw), sum(source) FROM search WHERE received_at < 1793491200000000";
const MISCOUNTED: &str = "SELECT count(*) FROM (SELECT received_at / 86400000000 AS day, client, count(*) AS n, \
    min(id) AS first, max(id) AS last FROM search GROUP BY 1, 2) AS found LEFT JOIN day_count USING (day, client) \
    WHERE searches IS NOT n OR first < first_id OR last > last_id";

fn in_spool(dir: &Path, files: &Path, args: &[&str]) -> tokio::process::Command {
    let mut command = fleetctl(&["archive"]).unwrap();
    command
        .args(args)
        .arg("--data-dir")
        .arg(dir)
        .env("FLEET_ARCHIVE_DESTINATION", files);
    command
}

#[tokio::test]
async fn a_spool_gets_its_month_back_while_a_collector_writes_and_after_a_kill() {
    const RECORDS: i64 = 30_000;
    let dir = TempDir::new().unwrap();
    let (data, files): (PathBuf, PathBuf) = (dir.path().join("data"), dir.path().join("files"));
    fs::create_dir(&files).unwrap();
    let (spool, client) = spool_with(&data, RECORDS).await;
    let october = numbers(&data, OCTOBER).await;
    assert_eq!(october[..2], [RECORDS, RECORDS]);

    // A collector that goes on in this month.
    let collecting = tokio::spawn(async move {
        let mut written = 0;
        loop {
            let now = jiff::Timestamp::now().as_microsecond();
            if client.append(record(now)).await.is_err() {
                return written;
            }
            written += 1;
            sleep(Duration::from_millis(1)).await;
        }
    });
    let run = ["run", "--month", MONTH];
    let restore = ["restore", "--month", MONTH];
    text(&mut in_spool(&data, &files, &run)).await.unwrap();
    assert_eq!(numbers(&data, OCTOBER).await[0], 0);
    text(&mut in_spool(&data, &files, &restore)).await.unwrap();
    assert_eq!(numbers(&data, OCTOBER).await, october);
    // Again, to delete what has new ids.
    text(&mut in_spool(&data, &files, &run)).await.unwrap();
    assert_eq!(numbers(&data, OCTOBER).await[0], 0);

    // Killed when some of it is there: what is left is taken away, by the next archiver and by the next restore.
    for next in [&run, &restore] {
        let mut child = in_spool(&data, &files, &restore).spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while numbers(&data, OCTOBER).await[0] == 0 {
            assert!(Instant::now() < deadline, "nothing comes back");
            sleep(Duration::from_millis(1)).await;
        }
        child.kill().await.unwrap();
        let some = numbers(&data, OCTOBER).await[0];
        assert!(some < RECORDS, "it was done too soon to be killed");
        assert_eq!(numbers(&data, "SELECT deleted FROM archives").await, [1]);
        text(&mut in_spool(&data, &files, next)).await.unwrap();
        let wanted = if next == &run { 0 } else { RECORDS };
        assert_eq!(numbers(&data, OCTOBER).await[0], wanted);
    }
    assert_eq!(numbers(&data, OCTOBER).await, october);

    spool.close().await.unwrap();
    let written = collecting.await.unwrap();
    // Counts what came last.
    text(&mut in_spool(&data, &files, &["run", "--dry-run"]))
        .await
        .unwrap();
    assert_eq!(numbers(&data, MISCOUNTED).await, [0]);
    assert_eq!(
        numbers(&data, "SELECT sum(searches), count(*) FROM day_count").await[0],
        RECORDS + written
    );

    let from = output(&mut in_spool(
        &data,
        &files,
        &["restore", "--month", MONTH, "--from", arg(&files)],
    ))
    .await
    .unwrap();
    assert_eq!(from.status.code(), Some(1));
    assert!(
        said(&from).contains("cannot be brought into it"),
        "{}",
        said(&from)
    );
}
