//! From the spool to PostgreSQL, killed and cut at every step.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use fleet_tests::{
    bins,
    pgbouncer::PgBouncer,
    postgres::Postgres,
    wire::{Action, Proxy, Side},
};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// A collector whose records are scripted. Ends when the database has all of them.
fn collector(client: &str, dir: &Path, url: &str, records: u64) -> Result<Child> {
    let child = Command::new(bins::path("scripted_collector")?)
        .args([
            "--client",
            client,
            "--from",
            "2026-09-29T12:00:00Z",
            "--step-ms",
            "60000",
        ])
        .args(["--records", &records.to_string()])
        .arg("--data-dir")
        .arg(dir)
        .env("DATABASE_URL", url)
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}

async fn finish(mut child: Child) -> Result<()> {
    let ended = timeout(PATIENCE, child.wait())
        .await
        .context("the collector does not end")??;
    ensure!(ended.success(), "the collector ended with {ended}");
    Ok(())
}

async fn migrated(server: &Postgres, name: &str) -> Result<String> {
    let url = server.create_database(name).await?;
    let migrate = Command::new(bins::path("fleetd")?)
        .arg("migrate")
        .env("DATABASE_URL", &url)
        .output()
        .await?;
    ensure!(
        migrate.status.success(),
        "{}",
        String::from_utf8_lossy(&migrate.stderr)
    );
    Ok(url)
}

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
        collector(
            &format!("region{n}"),
            dir.path(),
            &pooler.url("fleet"),
            20_000,
        )
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

/// The process is killed at the n-th message to the database, for every n, before it goes out and after; its next run
/// is killed at the sixth; the one after that finishes.
#[tokio::test]
async fn killed_at_every_message_it_sends_each_record_once() {
    const RECORDS: u64 = 2_500;
    let server = Postgres::start().await.unwrap();
    let url = migrated(&server, "fleet").await.unwrap();
    let mut killed = 0;
    for side in [Side::Before, Side::After] {
        for number in 1.. {
            let client = format!("{side:?}{number}").to_lowercase();
            let dir = TempDir::new().unwrap();
            let mut reached_any = false;
            for at in [number, 6] {
                let proxy = Proxy::start(server.address()).await.unwrap();
                let mut step = proxy.at(at, side, Action::Notify);
                let mut child = collector(&client, dir.path(), &proxy.url(&url), RECORDS).unwrap();
                let reached = tokio::select! {
                    reached = step.reached() => { reached.unwrap(); true }
                    ended = child.wait() => { assert!(ended.unwrap().success()); false }
                };
                if !reached {
                    break;
                }
                child.kill().await.unwrap();
                killed += 1;
                reached_any = true;
            }
            finish(collector(&client, dir.path(), &url, RECORDS).unwrap())
                .await
                .unwrap();
            assert_once(&server, "fleet", &client, RECORDS).await;
            if !reached_any {
                break;
            }
        }
    }
    // Several transactions of several messages each.
    assert!(killed > 60, "killed {killed} times only");
}

/// The same with connections that break, which the process survives.
#[tokio::test]
async fn cut_at_every_message_it_goes_on_by_itself() {
    const RECORDS: u64 = 2_500;
    let server = Postgres::start().await.unwrap();
    let url = migrated(&server, "fleet").await.unwrap();
    for side in [Side::Before, Side::After] {
        for number in (1..).step_by(3) {
            let client = format!("{side:?}{number}").to_lowercase();
            let dir = TempDir::new().unwrap();
            let proxy = Proxy::start(server.address()).await.unwrap();
            let _step = proxy.at(number, side, Action::Cut);
            finish(collector(&client, dir.path(), &proxy.url(&url), RECORDS).unwrap())
                .await
                .unwrap();
            assert_once(&server, "fleet", &client, RECORDS).await;
            if proxy.frontend_messages() < number {
                break;
            }
        }
    }
}
