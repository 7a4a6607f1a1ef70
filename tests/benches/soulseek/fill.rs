//! A database with the records of three regions that hear the simulated network: real spools, real shippers.

use anyhow::{Context, Result, ensure};
use fleet_tests::{
    postgres::{Options, Postgres},
    study::Study,
};
use tokio::time::Instant;

/// Regions of the traffic.
const REGIONS: u64 = 3;

/// A server that waits for the disk, as one in production does, with the settings that PostgreSQL comes with.
pub(crate) async fn server() -> Result<Postgres> {
    let durable = true;
    Postgres::start_with(Options {
        durable,
        ..Options::default()
    })
    .await
}

/// So many records from the moment `from` on, under names that begin with `prefix`. Gives the seconds that it took.
pub(crate) async fn fill(study: &Study<'_>, prefix: &str, from: &str, records: u64) -> Result<f64> {
    let started = Instant::now();
    let mut regions = Vec::new();
    for region in 0..REGIONS {
        let part = records / REGIONS + u64::from(region < records % REGIONS);
        let mut command = study.collector(&format!("{prefix}-{region}"), from, 1, part)?;
        command.args(["--hears", &region.to_string()]);
        regions.push(command.spawn()?);
    }
    for mut region in regions {
        let ended = region.wait().await?;
        ensure!(ended.success(), "a scripted collector ended with {ended}");
    }
    Ok(started.elapsed().as_secs_f64())
}

/// A number that SQL gives.
pub(crate) async fn number(study: &Study<'_>, sql: &str) -> Result<f64> {
    let text = study.psql(sql).await?;
    text.parse()
        .with_context(|| format!("no number: {text:?} of {sql}"))
}
