//! From the socket to a commit in PostgreSQL, beside PostgreSQL's own COPY of the same rows.

use anyhow::{Result, ensure};
use fleet_tests::{postgres::Postgres, study::Study};
use tokio::time::Instant;

use crate::{
    Options,
    collector::{Collector, Place},
    corpus::{self, Way},
    disk::PUBLISHED_RECORDS,
    feeder::Feeder,
    fill::{self, number},
    report::{Better, Figure, Report, Row, Target},
};

#[derive(Debug)]
struct Run {
    records_a_second: f64,
    copied_a_second: f64,
    bytes_a_row: f64,
}

pub(crate) async fn run(report: &mut Report, options: &Options) -> Result<()> {
    let server = fill::server().await?;
    let frames = corpus::frames(Way::Parent, 0, options.records);
    let mut runs = Vec::new();
    for n in 0..options.runs {
        let study = Study::new(&server, &format!("ingest_{n}")).await?;
        let run = one(&server, &study, &frames, options.records).await?;
        let Run {
            records_a_second,
            copied_a_second,
            bytes_a_row,
        } = &run;
        report.run(format!(
            "socket to PostgreSQL: {records_a_second:.0} records/s; COPY of the same rows: {copied_a_second:.0} rows/s; \
             {bytes_a_row:.1} bytes a row"
        ));
        runs.push(run);
        study
            .psql("DROP SCHEMA soulseek CASCADE; CHECKPOINT")
            .await?;
    }
    let most = |of: fn(&Run) -> f64| runs.iter().map(of).fold(f64::NAN, f64::max);
    let rate = most(|run| run.records_a_second);
    report.add(
        Row::new("socket to PostgreSQL", "records/s", Better::More)
            .peer(Figure::published(PUBLISHED_RECORDS))
            .ours(rate)
            .target(Target::AtLeast(60_000.0)),
    );
    report.add(
        Row::new(
            "the same; peer: COPY of the rows",
            "records/s",
            Better::More,
        )
        .peer(Figure::measured(most(|run| run.copied_a_second)))
        .ours(rate),
    );
    report.add(
        Row::new("in PostgreSQL, one region", "bytes a row", Better::Less)
            .ours(most(|run| run.bytes_a_row))
            .target(Target::AtMost(110.0)),
    );
    Ok(())
}

/// How searches are offered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As fast as they are taken.
    Full,
    /// So many a second.
    Rate(u32),
}

/// Records a second, from the first byte on the socket to the commit of the last record.
pub(crate) async fn ingest(
    study: &Study<'_>,
    frames: &[u8],
    records: u32,
    pace: Pace,
) -> Result<f64> {
    let feeder = Feeder::start().await?;
    let mut collector = Collector::start(feeder.address()?, Some(study.url())).await?;
    let mut fed = feeder.accept(Way::Parent).await?;
    let started = Instant::now();
    let sending = async {
        match pace {
            Pace::Full => fed.send(frames).await,
            Pace::Rate(rate) => fed.send_at(rate, frames).await,
        }
    };
    let (sent, committed) =
        tokio::join!(sending, collector.wait_for(Place::Database, records.into()));
    sent?;
    committed?;
    let seconds = started.elapsed().as_secs_f64();
    collector.end().await?;
    Ok(f64::from(records) / seconds)
}

async fn one(server: &Postgres, study: &Study<'_>, frames: &[u8], records: u32) -> Result<Run> {
    let records_a_second = ingest(study, frames, records, Pace::Full).await?;
    let found = study
        .psql(
            "SELECT count(*), count(DISTINCT token), min(token), max(token) FROM soulseek.searches",
        )
        .await?;
    let expected = format!("{records}|{records}|0|{}", records.saturating_sub(1));
    ensure!(
        found == expected,
        "count, distinct, min and max of tokens should be {expected}, but are {found}"
    );
    let records = f64::from(records);
    Ok(Run {
        records_a_second,
        copied_a_second: records / copy(server, study).await?,
        bytes_a_row: number(
            study,
            &format!("SELECT sum(pg_total_relation_size(oid)) FROM ({MONTHS}) AS month"),
        )
        .await?
            / records,
    })
}

/// The tables that hold records.
const MONTHS: &str =
    "SELECT inhrelid AS oid FROM pg_inherits WHERE inhparent = 'soulseek.search'::regclass";

/// Seconds for a COPY of the same rows into the same kind of table, from a file in PostgreSQL's binary format on the
/// server's disk: no client, no network.
async fn copy(server: &Postgres, study: &Study<'_>) -> Result<f64> {
    let file = server.data_dir().join("rows");
    let file = file.display();
    study
        .psql(&format!(
            "COPY (SELECT * FROM soulseek.search) TO '{file}' (FORMAT binary); \
             CREATE TABLE copied (LIKE soulseek.search INCLUDING ALL); CHECKPOINT"
        ))
        .await?;
    let started = Instant::now();
    study
        .psql(&format!("COPY copied FROM '{file}' (FORMAT binary)"))
        .await?;
    let seconds = started.elapsed().as_secs_f64();
    study.psql("DROP TABLE copied").await?;
    tokio::fs::remove_file(server.data_dir().join("rows")).await?;
    Ok(seconds)
}
