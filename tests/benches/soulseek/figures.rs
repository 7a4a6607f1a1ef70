//! The figures of days: what a new day costs beside a history that grows, and a report over a year.

use anyhow::{Context, Result};
use fleet_tests::{bins, study::Study};
use tokio::{process::Command, task::spawn_blocking};

use crate::{
    Options,
    fill::{self, number},
    program::{self, Used},
    report::{Better, Figure, Report, Row, Target},
};

const MILLION: u64 = 1_000_000;
/// Records of the new day, in a month of its own: until the server has summed a month's index up, it looks at all that
/// came last.
const NEW: u64 = 200_000;

/// What bringing the figures up to date took for the new day.
#[derive(Clone, Copy, Debug)]
struct NewDay {
    used: Used,
    /// Pages of 8 kB that PostgreSQL looked at.
    pages: f64,
}

pub(crate) async fn run(report: &mut Report, options: &Options) -> Result<()> {
    let server = fill::server().await?;
    let study = Study::new(&server, "figures").await?;
    let sizes = if options.long {
        [1, 10, 50]
    } else {
        [1, 3, 10]
    };
    let mut new_days = Vec::new();
    let mut before = 0;
    // Each part of the history begins on a day of its own; the new days come months later.
    for (n, (millions, from)) in sizes
        .into_iter()
        .zip(["2026-01-01", "2026-01-03", "2026-01-10"])
        .enumerate()
    {
        let records = millions * MILLION - before;
        before = millions * MILLION;
        let prefix = format!("h{n}");
        let seconds = fill::fill(&study, &prefix, &format!("{from}T00:00:00Z"), records).await?;
        report.run(format!(
            "history of {millions} M records, the last {records} in {seconds:.0} s"
        ));
        let history = refresh(&study).await?;
        report.add(
            Row::new(
                &format!("figures of {records} records, CPU without PostgreSQL's"),
                "s a million",
                Better::Less,
            )
            .ours(history.cpu_seconds / millions_of(records)?),
        );
        report.add(Row::new("the same: memory, peak", "MB", Better::Less).ours(history.peak));

        fill::fill(
            &study,
            &format!("n{n}"),
            &format!("2026-0{}-01T00:00:00Z", n + 6),
            NEW,
        )
        .await?;
        new_days.push((millions, new_day(&study).await?));
    }
    let (first, last) = new_days
        .first()
        .zip(new_days.last())
        .context("there is no history")?;
    let row = |what: &str, unit| {
        Row::new(
            &format!(
                "a new day, history of {} M; peer: {} M{what}",
                last.0, first.0
            ),
            unit,
            Better::Less,
        )
    };
    report.add(
        row("", "s")
            .peer(Figure::measured(first.1.used.seconds))
            .ours(last.1.used.seconds)
            .target(Target::Ratio(0.5)),
    );
    report.add(
        row(", PostgreSQL", "pages")
            .peer(Figure::measured(first.1.pages))
            .ours(last.1.pages)
            .target(Target::Ratio(0.5)),
    );
    year(report, &study).await
}

async fn refresh(study: &Study<'_>) -> Result<Used> {
    let mut command = Command::new(spawn_blocking(|| bins::path("fleetd")).await??);
    command
        .arg("report")
        .env("DATABASE_URL", study.url())
        .env("FLEET_LOG", "warn");
    program::run(&mut command).await
}

async fn new_day(study: &Study<'_>) -> Result<NewDay> {
    // A process hands in its statistics at its end at the latest, and nobody else is there now.
    let pages =
        "SELECT sum(blks_read + blks_hit) FROM pg_stat_database WHERE datname = current_database()";
    study.alone().await?;
    let before = number(study, pages).await?;
    let used = refresh(study).await?;
    study.alone().await?;
    let pages = number(study, pages).await? - before;
    Ok(NewDay { used, pages })
}

/// The figures of the busiest day, 365 times: a year of records without the records.
async fn year(report: &mut Report, study: &Study<'_>) -> Result<()> {
    let searches = number(
        study,
        "WITH busiest AS (SELECT * FROM soulseek.day_figures ORDER BY searches DESC LIMIT 1),
              years AS (SELECT busiest.day AS model, date '2025-01-01' + n AS day, searches, figures
                        FROM busiest, generate_series(0, 364) AS n),
              counts AS (INSERT INTO soulseek.day_count (day, client, searches)
                         SELECT years.day, client, day_count.searches
                         FROM years JOIN soulseek.day_count ON day_count.day = years.model),
              figures AS (INSERT INTO soulseek.day_figures (day, searches, figures)
                          SELECT day, searches, jsonb_set(figures, '{day}', to_jsonb(day::text)) FROM years)
         SELECT sum(searches) FROM years",
    )
    .await?;
    let mut command = study.fleetctl(&[
        "report",
        "--from",
        "2025-01-01",
        "--to",
        "2025-12-31",
        "-o",
        "json",
    ])?;
    command.stdout(std::process::Stdio::null());
    let used = program::run(&mut command).await?;
    let row = |what: &str, unit| {
        Row::new(
            &format!(
                "report of a year of {:.0} M records: {what}",
                searches / 1e6
            ),
            unit,
            Better::Less,
        )
    };
    report.add(row("time", "s").ours(used.seconds));
    report.add(row("memory, peak", "MB").ours(used.peak));
    Ok(())
}

fn millions_of(records: u64) -> Result<f64> {
    Ok(f64::from(u32::try_from(records)?) / 1e6)
}
