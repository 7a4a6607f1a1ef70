//! The whole way of a month: five collectors write it through `PgBouncer` while the month before is archived and the figures
//! are kept up to date, and all of them are killed at random. In the end the totals agree to the record.

use std::{fs, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use fleet_tests::{
    pgbouncer::PgBouncer,
    postgres::Postgres,
    study::{Script, finish, fleetd, migrated, succeed},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{process::Child, sync::watch, task::JoinSet, time::sleep};

const CLIENTS: [&str; 5] = [
    "ashburn",
    "falkenstein",
    "helsinki",
    "hillsboro",
    "singapore",
];
/// Every 29 seconds one, from the middle of September on: until the end of October.
const RECORDS: u64 = 140_000;
const FROM: &str = "2026-09-14T00:00:00Z";
const STEP_MS: u64 = 29_000;
/// Of each client, until the end of September.
const IN_SEPTEMBER: u64 = 17 * 86_400_000 / STEP_MS + 1;
/// How often each program is killed before it is left alone.
const KILLS: u32 = 6;

/// Starts a program again and again and kills it after a random time, then lets it finish.
async fn killed_at_random(
    mut chance: Chance,
    least_ms: u64,
    most_ms: u64,
    start: impl Fn() -> Result<Child>,
) -> Result<u32> {
    let mut killed = 0;
    for _ in 0..KILLS {
        let mut child = start()?;
        tokio::select! {
            ended = child.wait() => { ended?; }
            () = sleep(Duration::from_millis(chance.between(least_ms, most_ms))) => {
                child.kill().await?;
                killed += 1;
            }
        }
    }
    finish(start()?).await?;
    Ok(killed)
}

/// The same numbers in every run (Knuth's generator).
struct Chance(u64);

impl Chance {
    fn between(&mut self, least: u64, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        least + (self.0 >> 33) % (most - least)
    }
}

#[tokio::test]
async fn the_totals_agree_to_the_record() {
    let server = Arc::new(Postgres::start().await.unwrap());
    let direct = migrated(&server, "fleet").await.unwrap();
    let pooler = PgBouncer::start(&server).await.unwrap();
    let url = pooler.url("fleet");
    let files = TempDir::new().unwrap();
    let destination = files.path().to_str().unwrap().to_owned();

    let mut collectors = JoinSet::new();
    for (number, client) in CLIENTS.into_iter().enumerate() {
        let url = url.clone();
        collectors.spawn(async move {
            let spool = TempDir::new()?;
            let script = Script {
                client,
                from: FROM,
                step_ms: STEP_MS,
                records: RECORDS,
                pause_ms: 10,
            };
            let chance = Chance(number as u64);
            killed_at_random(chance, 500, 5_000, || script.start(spool.path(), &url)).await
        });
    }
    // September is archived and the figures are computed, over and over, until the collectors have ended.
    let (done, collecting) = watch::channel(());
    let programs = [
        vec![
            "archive",
            "--month",
            "2026-09",
            "--destination",
            &destination,
        ],
        vec!["report"],
    ];
    let mut others = JoinSet::new();
    for (number, arguments) in programs.into_iter().enumerate() {
        let (url, collecting) = (direct.clone(), collecting.clone());
        let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        others.spawn(async move {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let mut killed = 0;
            for round in 0_u64.. {
                let chance = Chance(100 + 10 * round + number as u64);
                let start = || Ok(fleetd(&url, &arguments)?.spawn()?);
                killed += killed_at_random(chance, 50, 3_000, start).await?;
                if collecting.has_changed().is_err() {
                    break;
                }
            }
            anyhow::Ok(killed)
        });
    }
    let mut killed = Vec::new();
    while let Some(ended) = collectors.join_next().await {
        killed.push(ended.unwrap().unwrap());
    }
    drop(done);
    while let Some(ended) = others.join_next().await {
        killed.push(ended.unwrap().unwrap());
    }
    assert!(killed.iter().sum::<u32>() >= 20, "killed {killed:?}");
    // What came to September while its last archive was made.
    for arguments in [
        vec![
            "archive",
            "--month",
            "2026-09",
            "--destination",
            &destination,
        ],
        vec!["report"],
    ] {
        succeed(&mut fleetd(&direct, &arguments).unwrap())
            .await
            .unwrap();
    }

    let clients = CLIENTS.len() as u64;
    let live = server
        .psql(
            "fleet",
            "SELECT count(*), count(DISTINCT (client_id, seq)), count(*) FILTER (WHERE timestamp < '2026-10-01'), \
             count(*) FILTER (WHERE query <> client_id || ' record ' || seq) FROM soulseek.searches",
        )
        .await
        .unwrap();
    let expected = clients * (RECORDS - IN_SEPTEMBER);
    assert_eq!(live, format!("{expected}|{expected}|0|0"));
    let archived = archived_records(&files).unwrap();
    assert_eq!(archived, clients * IN_SEPTEMBER);
    let figures = server
        .psql(
            "fleet",
            "SELECT (SELECT sum(searches) FROM soulseek.day_count), (SELECT sum(searches) FROM soulseek.day_figures), \
             (SELECT sum((client.value->>'searches')::bigint) FROM soulseek.day_figures, \
              jsonb_each(figures->'clients') AS client), \
             (SELECT count(*) FROM soulseek.day_figures)",
        )
        .await
        .unwrap();
    let all = clients * RECORDS;
    let days = (RECORDS * STEP_MS).div_ceil(86_400_000);
    assert_eq!(figures, format!("{all}|{all}|{all}|{days}"));
    let cursors = "SELECT count(*), min(last_seq), sum(missing) FROM soulseek.ingest_cursor";
    assert_eq!(
        server.psql("fleet", cursors).await.unwrap(),
        format!("{clients}|{RECORDS}|0")
    );
}

/// Records in all files, by what stands beside them. Each file has been read back to the last record.
fn archived_records(files: &TempDir) -> Result<u64> {
    let mut records = 0;
    for entry in fs::read_dir(files.path())? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".manifest.json") {
            let manifest: Value = serde_json::from_slice(&fs::read(path)?)?;
            records += manifest["record_count"].as_u64().context("no count")?;
        }
    }
    Ok(records)
}
