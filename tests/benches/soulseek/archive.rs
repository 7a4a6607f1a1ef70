//! Months into files: memory and time as they grow, bytes beside those of the live table, and what the others on the
//! database notice.

use anyhow::{Context, Result};
use fleet_tests::{bins, study::Study};
use sqlx::{Connection as _, Executor as _, postgres::PgConnection};
use tokio::{
    process::Command,
    select,
    task::spawn_blocking,
    time::{Duration, Instant, sleep},
};

use crate::{
    corpus::{self, Way},
    database::{Pace, ingest},
    fill::{self, number},
    program::{self, Used},
    report::{Better, Figure, Report, Row, Target},
};

const MILLION: u64 = 1_000_000;
/// Archived while nothing else happens.
const GROWTH: [(&str, u64); 5] = [
    ("2026-01", MILLION),
    ("2026-02", 2 * MILLION),
    ("2026-03", 4 * MILLION),
    ("2026-04", 8 * MILLION),
    ("2026-05", 16 * MILLION),
];
/// Archived while a collector writes.
const BUSY: [(&str, u64); 2] = [("2026-06", 4 * MILLION), ("2026-07", 4 * MILLION)];
/// Records of the collector that writes as fast as it can.
const FAST: u32 = 1_000_000;
/// What the system before this one took at most, a second; for ten seconds.
const PACED: u32 = 8_000;
const PACED_SECONDS: u32 = 10;
/// Between two inserts that are timed.
const PROBE: Duration = Duration::from_millis(5);

pub(crate) async fn run(report: &mut Report) -> Result<()> {
    let server = fill::server().await?;
    let study = Study::new(&server, "archive").await?;
    for (month, records) in GROWTH.into_iter().chain(BUSY) {
        let seconds = fill::fill(&study, month, &format!("{month}-01T00:00:00Z"), records).await?;
        report.run(format!("{month}: {records} records in {seconds:.0} s"));
    }
    grows(report, &study).await?;
    others(report, &study).await
}

/// One month after the other, each twice as long.
async fn grows(report: &mut Report, study: &Study<'_>) -> Result<()> {
    let (mut wait, mut ratio) = (0.0_f64, (0.0, 0.0));
    for (month, records) in GROWTH {
        let table = format!("soulseek.search_{}", month.replace('-', "_"));
        let live = number(study, &format!("SELECT pg_total_relation_size('{table}')")).await?;
        let (used, waited) = with_probe(study, month).await?;
        let Used {
            seconds,
            cpu_seconds,
            peak,
        } = used;
        let file = number(
            study,
            &format!("SELECT file_size FROM soulseek.archives WHERE month = '{month}' AND deleted AND record_count = {records}"),
        )
        .await
        .context("the month is not archived as it should be")?;
        let count = float(records)?;
        wait = wait.max(waited);
        ratio = (live / count, file / count);
        let row = |what: &str, unit| {
            Row::new(
                &format!("archive, {} M records: {what}", records / MILLION),
                unit,
                Better::Less,
            )
        };
        report.add(
            row("memory, peak", "MB")
                .ours(peak)
                .target(Target::AtMost(256.0)),
        );
        report.add(row("time", "s a million").ours(seconds / count * 1e6));
        report.add(row("CPU without PostgreSQL's", "s a million").ours(cpu_seconds / count * 1e6));
    }
    let (live, file) = ratio;
    report.add(
        Row::new("in PostgreSQL, three regions", "bytes a row", Better::Less)
            .ours(live)
            .target(Target::AtMost(110.0)),
    );
    report.add(
        Row::new("archive; peer: in PostgreSQL", "bytes a row", Better::Less)
            .peer(Figure::measured(live))
            .ours(file)
            .target(Target::Ratio(10.0)),
    );
    report.add(
        Row::new("longest wait of an insert meanwhile", "ms", Better::Less)
            .ours(wait * 1e3)
            .target(Target::AtMost(1000.0)),
    );
    Ok(())
}

/// What a collector notices.
async fn others(report: &mut Report, study: &Study<'_>) -> Result<()> {
    let fast = corpus::frames(Way::Parent, 0, FAST);
    let paced = corpus::frames(Way::Parent, 0, PACED * PACED_SECONDS);
    let runs = [
        (
            "ingestion at full speed",
            &fast,
            Pace::Full,
            FAST,
            BUSY[0].0,
        ),
        (
            "ingestion, 8 000/s offered",
            &paced,
            Pace::Rate(PACED),
            PACED * PACED_SECONDS,
            BUSY[1].0,
        ),
    ];
    for (what, frames, pace, records, month) in runs {
        let alone = ingest(study, frames, records, pace).await?;
        let mut archiving = archive(study, month).await?.kill_on_drop(true).spawn()?;
        let beside = ingest(study, frames, records, pace).await?;
        let over = archiving.try_wait()?.is_some();
        archiving.wait().await?;
        if over {
            report.note(format!(
                "{what}: the archiver was done before the collector"
            ));
        }
        report.add(
            Row::new(
                &format!("{what}, archiving; peer: not"),
                "records/s",
                Better::More,
            )
            .peer(Figure::measured(alone))
            .ours(beside)
            .target(Target::Ratio(0.9)),
        );
    }
    Ok(())
}

async fn archive(study: &Study<'_>, month: &str) -> Result<Command> {
    let mut command = Command::new(spawn_blocking(|| bins::path("fleetd")).await??);
    command
        .args(["archive", "--month", month, "--destination"])
        .arg(study.files())
        .env("DATABASE_URL", study.url())
        .env("FLEET_LOG", "warn");
    Ok(command)
}

/// Archives a month, and gives the longest time that an insert took meanwhile, in seconds.
async fn with_probe(study: &Study<'_>, month: &str) -> Result<(Used, f64)> {
    let mut connection = PgConnection::connect(study.url()).await?;
    connection
        .execute("SELECT soulseek.add_month(current_date)")
        .await?;
    let mut longest = 0.0_f64;
    let mut command = archive(study, month).await?;
    let archived = program::run(&mut command);
    tokio::pin!(archived);
    loop {
        select! {
            used = &mut archived => return Ok((used?, longest)),
            waited = insert(&mut connection) => longest = longest.max(waited?),
        }
    }
}

/// As a collector does it; then it is taken back.
async fn insert(connection: &mut PgConnection) -> Result<f64> {
    sleep(PROBE).await;
    let started = Instant::now();
    connection
        .execute(
            "BEGIN; INSERT INTO soulseek.search (seq, received_at, token, client, origin, username, query) \
             VALUES (1, now(), 1, 1, 0, '', 'probe'); ROLLBACK",
        )
        .await?;
    Ok(started.elapsed().as_secs_f64())
}

fn float(count: u64) -> Result<f64> {
    Ok(f64::from(u32::try_from(count)?))
}
