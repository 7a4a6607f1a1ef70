//! From the spool to PostgreSQL, killed and cut at every step.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{path::Path, process::Stdio, sync::Arc};

use anyhow::Result;
use fleet_tests::{
    pgbouncer::PgBouncer,
    postgres::Postgres,
    study::{Script, Study, arg, finish, migrated, output, said},
    wire::{Action, Proxy, Side},
};
use tempfile::TempDir;
use tokio::{process::Child, task::JoinSet};

use crate::moments::{AT_ONCE, kill_at, moments};

/// Of each collector that is interrupted.
const RECORDS: u64 = 2_500;

/// Every record of every client is there once: `client|count|distinct|sum of the numbers`, and what was counted agrees.
async fn assert_once(server: &Postgres, database: &str, client: &str, records: u64) {
    let sql = format!(
        "SELECT count(*), count(DISTINCT seq), sum(seq), count(*) FILTER (WHERE query <> client_id || ' record ' || seq), \
         (SELECT sum(searches) FROM soulseek.day_count JOIN soulseek.client ON id = client WHERE name = '{client}'), \
         (SELECT sum(missing) FROM soulseek.ingest_cursor JOIN soulseek.client ON id = client WHERE name = '{client}') \
         FROM soulseek.searches WHERE client_id = '{client}'"
    );
    let found = server.psql(database, &sql).await.unwrap();
    let sum = records * (records + 1) / 2;
    assert_eq!(
        found.trim(),
        format!("{records}|{records}|{sum}|0|{records}|0"),
        "{client}"
    );
}

#[tokio::test]
async fn several_clients_write_at_once_through_pgbouncer() {
    let server = Postgres::start().await.unwrap();
    migrated(&server, "fleet").await.unwrap();
    let pooler = PgBouncer::start(&server).await.unwrap();
    let dirs: Vec<TempDir> = (0..5).map(|_| TempDir::new().unwrap()).collect();
    let start = |(n, dir): (usize, &TempDir)| {
        let client = format!("region{n}");
        Script::new(&client, 20_000)
            .start(dir.path(), &pooler.url("fleet"))
            .unwrap()
    };
    let running: Vec<Child> = dirs.iter().enumerate().map(start).collect();
    for child in running {
        finish(child).await.unwrap();
    }
    for n in 0..5 {
        assert_once(&server, "fleet", &format!("region{n}"), 20_000).await;
    }
    // A minute a record: two weeks, in the partitions of two months.
    let months = server
        .psql(
            "fleet",
            "SELECT string_agg(DISTINCT tableoid::regclass::text, ' ') FROM soulseek.search",
        )
        .await
        .unwrap();
    assert_eq!(
        months.trim(),
        "soulseek.search_2026_09 soulseek.search_2026_10"
    );
}

/// What a collector sends when nothing happens to it.
async fn undisturbed(server: &Postgres, url: &str, records: u64) -> String {
    let dir = TempDir::new().unwrap();
    let proxy = Proxy::start(server.address()).await.unwrap();
    let script = Script::new("undisturbed", records);
    finish(script.start(dir.path(), &proxy.url(url)).unwrap())
        .await
        .unwrap();
    proxy.kinds()
}

async fn case(server: &Postgres, url: &str, number: usize, side: Side) -> Result<u32> {
    let client = format!("{side:?}{number}").to_lowercase();
    let script = Script::new(&client, RECORDS);
    let dir = TempDir::new()?;
    let mut killed = 0;
    // The seventeenth is in the first transaction.
    for at in [number, 17] {
        let start = |proxy: &Proxy| script.start(dir.path(), &proxy.url(url));
        killed += u32::from(kill_at(server, at, side, start).await?);
    }
    finish(script.start(dir.path(), url)?).await?;
    assert_once(server, "fleet", &client, RECORDS).await;
    Ok(killed)
}

/// The process is killed at every message that does something, before it goes out and after; its next run is killed, too;
/// the one after that finishes.
#[tokio::test]
async fn killed_at_every_message_it_sends_each_record_once() {
    let server = Arc::new(Postgres::start().await.unwrap());
    let url = migrated(&server, "fleet").await.unwrap();
    let moments = moments(&undisturbed(&server, &url, RECORDS).await);
    let sides = [Side::Before, Side::After];
    let cases = moments
        .iter()
        .flat_map(|number| sides.map(|side| (*number, side)));
    let mut killed = 0;
    let mut running = JoinSet::new();
    for (number, side) in cases {
        if running.len() == AT_ONCE {
            killed += running.join_next().await.unwrap().unwrap();
        }
        let (server, url) = (Arc::clone(&server), url.clone());
        running.spawn(async move { case(&server, &url, number, side).await.unwrap() });
    }
    killed += running.join_all().await.into_iter().sum::<u32>();
    assert!(killed > 60, "killed {killed} times only");
}

/// The same with connections that break, which the process survives.
#[tokio::test]
async fn cut_at_every_message_it_goes_on_by_itself() {
    let server = Arc::new(Postgres::start().await.unwrap());
    let url = migrated(&server, "fleet").await.unwrap();
    let moments = moments(&undisturbed(&server, &url, RECORDS).await);
    let mut running = JoinSet::new();
    for (number, side) in moments
        .into_iter()
        .zip([Side::Before, Side::After].into_iter().cycle())
    {
        if running.len() == AT_ONCE {
            running.join_next().await.unwrap().unwrap();
        }
        let (server, url) = (Arc::clone(&server), url.clone());
        running.spawn(async move {
            let client = format!("cut{number}");
            let dir = TempDir::new().unwrap();
            let proxy = Proxy::start(server.address()).await.unwrap();
            let _step = proxy.at(number, side, Action::Cut);
            let script = Script::new(&client, RECORDS);
            finish(script.start(dir.path(), &proxy.url(&url)).unwrap())
                .await
                .unwrap();
            assert_once(&server, "fleet", &client, RECORDS).await;
        });
    }
    running.join_all().await;
}

/// The numbers of what it records afterwards are taken: what bears them must not pass for what the database has, not
/// even when there are as many again.
#[tokio::test]
async fn a_spool_that_was_put_back_to_an_older_state_ships_nothing_and_forgets_nothing() {
    let server = Postgres::start().await.unwrap();
    let study = Study::new(&server, "went_back").await.unwrap();
    let spool = study.spool("a");
    let copy = |from: &Path, to: &Path| {
        let mut copy = std::process::Command::new("cp");
        assert!(copy.arg("-R").args([from, to]).status().unwrap().success());
    };
    let first = "2026-09-01T00:00:00Z";
    study.collect("a", first, 1000, 50).await.unwrap();
    let older = spool.with_extension("older");
    copy(&spool, &older);
    study.collect("a", first, 1000, 100).await.unwrap();
    let before = study.contents().await.unwrap();

    // Fewer records than the database has, then more of them.
    for records in [70, 120] {
        std::fs::remove_dir_all(&spool).unwrap();
        copy(&older, &spool);
        let mut collector = study
            .collector("a", "2026-09-02T00:00:00Z", 1000, records)
            .unwrap();
        collector.args(["--drain-s", "1"]).stderr(Stdio::piped());
        let ended = output(&mut collector).await.unwrap();
        assert!(!ended.status.success(), "{records}");
        assert!(
            said(&ended).contains("put back to an older state"),
            "{records}: {}",
            said(&ended)
        );
        assert_eq!(study.contents().await.unwrap(), before, "{records}");
        let kept = study
            .fleetctl(&[
                "query",
                "-o",
                "csv",
                "--data-dir",
                arg(&spool),
                "SELECT count(*) FROM searches",
            ])
            .unwrap()
            .env_remove("DATABASE_URL")
            .output()
            .await
            .unwrap();
        let kept = String::from_utf8(kept.stdout).unwrap();
        assert_eq!(
            kept.lines().last(),
            Some((records - 50).to_string().as_str())
        );
    }
}
