//! Months into verified files, killed at every step, while records still come.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use fleet_store::{
    ArchiveOptions, Archiver, Destination, DestinationSettings, Place, postgres::Database,
};
use fleet_tests::{
    postgres::Postgres,
    s3::S3,
    study::{PATIENCE, Script, finish, fleetd, migrated, succeed},
    wire::{Proxy, Side},
};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    task::JoinSet,
    time::timeout,
};

use crate::moments::{AT_ONCE, kill_at, moments};

const MONTH: &str = "2026-09";
/// Of each of the two clients; 2 160 of them fall into the month.
const RECORDS: u64 = 2_500;
const IN_MONTH: u64 = 2_160;

/// A database with the records of two clients, for others to be copied from.
async fn filled(server: &Postgres) -> Result<()> {
    let url = migrated(server, "filled").await?;
    for client in ["north", "south"] {
        let dir = TempDir::new()?;
        finish(Script::new(client, RECORDS).start(dir.path(), &url)?).await?;
    }
    Ok(())
}

async fn copied(server: &Postgres, name: &str) -> Result<String> {
    server
        .psql(
            "postgres",
            &format!("CREATE DATABASE {name} TEMPLATE filled"),
        )
        .await?;
    Ok(server.url(name))
}

fn archive(url: &str, destination: &str) -> Result<tokio::process::Command> {
    fleetd(
        url,
        &["archive", "--month", MONTH, "--destination", destination],
    )
}

/// The sum of a number in all manifests of a directory.
fn in_manifests(dir: &Path, number: &str) -> u64 {
    let manifests = fs::read_dir(dir).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        path.to_str()?
            .ends_with(".manifest.json")
            .then(|| fs::read(&path).unwrap())
    });
    let manifests = manifests.map(|text| serde_json::from_slice::<Value>(&text).unwrap());
    manifests
        .map(|manifest| manifest[number].as_u64().unwrap())
        .sum()
}

/// Every record is in the files or live, none in both, nothing else is left behind.
async fn assert_archived(
    server: &Postgres,
    database: &str,
    dir: &Path,
    in_files: u64,
    live: u64,
) -> Result<()> {
    let found = server
        .psql(
            database,
            "SELECT (SELECT count(*) FROM soulseek.searches), \
             (SELECT count(*) FROM soulseek.searches WHERE timestamp < '2026-10-01'), \
             (SELECT sum(record_count) FROM soulseek.archives WHERE deleted AND state = 'verified'), \
             (SELECT count(*) FROM soulseek.archives WHERE NOT deleted OR state <> 'verified'), \
             (SELECT count(*) FROM pg_class WHERE relname LIKE 'detached%')",
        )
        .await?;
    ensure!(
        found == format!("{live}|0|{in_files}|0|0"),
        "{database}: {found}"
    );
    let noted = in_manifests(dir, "record_count");
    ensure!(noted == in_files, "{database}: {noted} in files");
    let names: Vec<_> = fs::read_dir(dir)?
        .map(|entry| entry.unwrap().file_name())
        .collect();
    let partial = names
        .iter()
        .any(|name| name.to_string_lossy().contains("partial"));
    ensure!(
        !partial && names.len().is_multiple_of(2),
        "{database}: {names:?}"
    );
    Ok(())
}

async fn case(server: &Postgres, number: usize, side: Side) -> Result<u32> {
    let name = format!("{side:?}{number}").to_lowercase();
    let url = copied(server, &name).await?;
    let dir = TempDir::new()?;
    let destination = dir.path().to_str().context("a path")?;
    let mut killed = 0;
    for at in [number, number / 2 + 10] {
        let start = |proxy: &Proxy| Ok(archive(&proxy.url(&url), destination)?.spawn()?);
        killed += u32::from(
            kill_at(server, at, side, start)
                .await
                .with_context(|| name.clone())?,
        );
    }
    succeed(&mut archive(&url, destination)?)
        .await
        .with_context(|| name.clone())?;
    assert_archived(
        server,
        &name,
        dir.path(),
        2 * IN_MONTH,
        2 * (RECORDS - IN_MONTH),
    )
    .await?;
    server
        .psql("postgres", &format!("DROP DATABASE {name}"))
        .await?;
    Ok(killed)
}

/// The archiver is killed at every message that does something, before it goes out and after; its next run is killed, too;
/// the one after that finishes.
#[tokio::test]
async fn killed_at_every_message_it_archives_each_record_once() {
    let server = Arc::new(Postgres::start().await.unwrap());
    filled(&server).await.unwrap();
    let moments = {
        let url = copied(&server, "undisturbed").await.unwrap();
        let dir = TempDir::new().unwrap();
        let proxy = Proxy::start(server.address()).await.unwrap();
        succeed(&mut archive(&proxy.url(&url), dir.path().to_str().unwrap()).unwrap())
            .await
            .unwrap();
        assert_archived(
            &server,
            "undisturbed",
            dir.path(),
            2 * IN_MONTH,
            2 * (RECORDS - IN_MONTH),
        )
        .await
        .unwrap();
        moments(&proxy.kinds())
    };
    let mut killed = 0;
    let mut running = JoinSet::new();
    for number in moments {
        for side in [Side::Before, Side::After] {
            if running.len() == AT_ONCE {
                killed += running.join_next().await.unwrap().unwrap();
            }
            let server = Arc::clone(&server);
            running.spawn(async move { case(&server, number, side).await.unwrap() });
        }
    }
    killed += running.join_all().await.into_iter().sum::<u32>();
    assert!(killed > 100, "killed {killed} times only");
}

#[tokio::test]
async fn what_comes_too_late_goes_into_a_file_of_its_own() {
    let server = Postgres::start().await.unwrap();
    filled(&server).await.unwrap();
    let dir = TempDir::new().unwrap();
    let destination = dir.path().to_str().unwrap();
    let url = server.url("filled");
    succeed(&mut archive(&url, destination).unwrap())
        .await
        .unwrap();
    // A region that was cut off for weeks, and one that was known and has more.
    for client in ["west", "east"] {
        let spool = TempDir::new().unwrap();
        finish(Script::new(client, 100).start(spool.path(), &url).unwrap())
            .await
            .unwrap();
        succeed(&mut archive(&url, destination).unwrap())
            .await
            .unwrap();
    }
    assert_archived(
        &server,
        "filled",
        dir.path(),
        2 * IN_MONTH + 200,
        2 * (RECORDS - IN_MONTH),
    )
    .await
    .unwrap();
    let mut names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    names.retain(|name| name.to_str().unwrap().ends_with(".parquet"));
    assert_eq!(
        names,
        [
            "searches_2026-09.parquet",
            "searches_2026-09_late1.parquet",
            "searches_2026-09_late2.parquet"
        ]
    );
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_months_that_stay_live_are_written_all_the_same() {
    let server = Postgres::start().await.unwrap();
    filled(&server).await.unwrap();
    let dir = TempDir::new().unwrap();
    let destination = dir.path().to_str().unwrap();
    let url = server.url("filled");
    let counts =
        "SELECT (SELECT count(*) FROM soulseek.searches), (SELECT count(*) FROM soulseek.archives)";
    for arguments in [vec!["--month", MONTH], vec![]] {
        let mut all = vec!["archive", "--destination", destination, "--dry-run"];
        all.extend(arguments);
        let said = succeed(&mut fleetd(&url, &all).unwrap()).await.unwrap();
        assert!(String::from_utf8_lossy(&said.stderr).contains("searches_2026-09.parquet"));
    }
    assert_eq!(server.psql("filled", counts).await.unwrap(), "5000|0");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

    let keep = fleetd(
        &url,
        &[
            "archive",
            "--destination",
            destination,
            "--keep-months",
            "1200",
        ],
    );
    succeed(&mut keep.unwrap()).await.unwrap();
    assert_eq!(server.psql("filled", counts).await.unwrap(), "5000|2");
    assert_eq!(in_manifests(dir.path(), "record_count"), 5000);
    let keep = fleetd(
        &url,
        &[
            "archive",
            "--destination",
            destination,
            "--keep-months",
            "0",
        ],
    );
    succeed(&mut keep.unwrap()).await.unwrap();
    assert_eq!(server.psql("filled", counts).await.unwrap(), "0|2");
}

#[tokio::test]
async fn a_bucket_that_is_gone_costs_nothing() {
    let server = Postgres::start().await.unwrap();
    filled(&server).await.unwrap();
    let mut bucket = S3::start("archive").await.unwrap();
    let url = server.url("filled");
    let place = Place::Database(Database::parse(&SecretString::from(url.as_str())).unwrap());
    // The programs wait for a minute.
    let settings = DestinationSettings {
        patience: Duration::from_secs(2),
        variables: bucket.env(),
    };
    let destination = Destination::parse_with(&bucket.url("study"), &settings).unwrap();
    let mut archiver = Archiver::open(&place, destination, ArchiveOptions::default())
        .await
        .unwrap();
    bucket.stop().await.unwrap();
    let archived = archiver.archive(MONTH.parse().unwrap(), Timestamp::now());
    let error = archived.await.unwrap_err();
    assert!(error.hint().is_some(), "{error}");
    let said = format!("{:#}", anyhow::Error::from(error));
    assert!(said.contains("archive/study"), "{said}");
    for (name, secret) in bucket.env() {
        assert!(!name.contains("SECRET") || !said.contains(&secret));
    }
    drop(archiver);
    let live = "SELECT count(*) FROM soulseek.searches WHERE timestamp < '2026-10-01'";
    assert_eq!(
        server.psql("filled", live).await.unwrap(),
        (2 * IN_MONTH).to_string()
    );
    bucket.start_again().await.unwrap();
    let mut again = archive(&url, &bucket.url("study")).unwrap();
    again.envs(bucket.env());
    succeed(&mut again).await.unwrap();
    assert_eq!(server.psql("filled", live).await.unwrap(), "0");
    let file = "SELECT file_path FROM soulseek.archives";
    assert_eq!(
        server.psql("filled", file).await.unwrap(),
        bucket.url("study/searches_2026-09.parquet")
    );
}

/// A reader that stays in a transaction is in the way of the last step. It is waited for, and writers are not held up.
#[tokio::test]
async fn a_long_reader_delays_only_the_archiver() {
    let server = Postgres::start().await.unwrap();
    filled(&server).await.unwrap();
    let dir = TempDir::new().unwrap();
    let url = server.url("filled");
    let mut reader = tokio::process::Command::new(server.bin("psql"))
        .args(["-X", "-q", "-d", &url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut statements = reader.stdin.take().unwrap();
    statements
        .write_all(b"BEGIN; SELECT count(*) FROM soulseek.searches;\n")
        .await
        .unwrap();
    // The first line of the answer: the reader is in its transaction.
    let mut answer = BufReader::new(reader.stdout.take().unwrap()).lines();
    answer.next_line().await.unwrap().unwrap();

    let mut archiving = archive(&url, dir.path().to_str().unwrap())
        .unwrap()
        .spawn()
        .unwrap();
    let mut said = BufReader::new(archiving.stderr.take().unwrap()).lines();
    let mut waited = 0;
    let spool = TempDir::new().unwrap();
    while let Some(line) = timeout(PATIENCE, said.next_line()).await.unwrap().unwrap() {
        if line.contains("in use") {
            waited += 1;
        }
        if waited == 1 {
            waited += 1;
            // Writers get through while both wait.
            let script = Script {
                from: "2026-10-20T00:00:00Z",
                ..Script::new("busy", 3000)
            };
            finish(script.start(spool.path(), &url).unwrap())
                .await
                .unwrap();
            statements.write_all(b"COMMIT;\n").await.unwrap();
        }
    }
    assert!(waited > 0, "nobody was in the way");
    assert!(archiving.wait().await.unwrap().success());
    let live = 2 * (RECORDS - IN_MONTH) + 3000;
    assert_archived(&server, "filled", dir.path(), 2 * IN_MONTH, live)
        .await
        .unwrap();
}
