//! `fleetctl monitor --once`: one snapshot, for scripts and for people without a terminal.

use std::io;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::now;
use super::snapshot::{Origin, Snapshot};
use super::sources::Source;
use super::state::State;
use super::view::words;
use crate::cli::Output;
use crate::cli::monitor::View;
use crate::failure::Failure;
use crate::printer;

/// Between two readings of the metrics, from which the rate is taken.
const APART: Duration = Duration::from_secs(2);

pub(super) async fn run(
    mut state: State,
    sources: Vec<Source>,
    output: View,
) -> Result<(), Failure> {
    take(&mut state, &sources).await;
    let is_metrics = |source: &Source| source.origin() == Origin::Metrics;
    let (metrics, _): (Vec<_>, Vec<_>) = sources.into_iter().partition(is_metrics);
    if !metrics.is_empty() {
        sleep(APART).await;
        take(&mut state, &metrics).await;
    }
    let snapshot = state.snapshot(now());
    match output {
        View::Json => {
            printer::line(&serde_json::to_string(&snapshot).map_err(anyhow::Error::from)?)?;
        }
        View::Table => tables(&snapshot)?,
    }
    Ok(())
}

/// Asks all at the same time.
async fn take(state: &mut State, sources: &[Source]) {
    for report in join_all(sources.iter().map(Source::poll)).await {
        state.take(report, Instant::now(), now());
    }
}

/// A table for each list that is not empty, as kubectl does it for several kinds.
fn tables(snapshot: &Snapshot) -> io::Result<()> {
    let mut tables = Vec::new();
    let mut table = |columns: &[&'static str], rows: Vec<Vec<Value>>| {
        if !rows.is_empty() {
            tables.push((columns.to_vec(), rows));
        }
    };
    let currency = snapshot
        .monthly_cost
        .as_ref()
        .map_or("", |cost| cost.currency.as_str());
    let regions = snapshot.regions.iter().map(|region| {
        vec![
            json!(region.name),
            json!(words::rate(region.searches_per_second)),
            json!(words::state(region)),
            json!(words::count_or_nothing(region.spool_pending)),
            json!(words::count_or_nothing(region.database_waiting)),
            json!(words::ago(region.last_record_at, snapshot.at)),
            json!(words::count_or_nothing(region.searches)),
        ]
    });
    table(
        &[
            "region",
            "searches/s",
            "state",
            "unsaved",
            "unshipped",
            "last",
            "recorded",
        ],
        regions.collect(),
    );
    let servers = snapshot.servers.iter().map(|server| {
        let cost = server
            .monthly_cost
            .as_deref()
            .map(|cost| words::money(cost, currency));
        vec![
            json!(server.name),
            json!(server.location),
            json!(server.server_type),
            json!(server.status),
            json!(server.address),
            json!(cost),
        ]
    });
    table(
        &["server", "location", "type", "status", "address", "a month"],
        servers.collect(),
    );
    let pods = snapshot.pods.iter().map(|pod| {
        vec![
            json!(pod.name),
            json!(pod.phase),
            json!(pod.ready),
            json!(pod.restarts),
            json!(pod.node),
        ]
    });
    table(
        &["pod", "phase", "ready", "restarts", "node"],
        pods.collect(),
    );
    let archives = snapshot.archives.iter().map(|archives| {
        let last = archives.last.as_ref().map(|last| last.month.as_str());
        vec![
            json!(last.unwrap_or("none yet")),
            json!(archives.files),
            json!(archives.records),
            json!(words::bytes(archives.bytes)),
            json!(archives.problems.len()),
        ]
    });
    table(
        &["last archive", "files", "records", "size", "problems"],
        archives.collect(),
    );
    for (index, (columns, rows)) in tables.iter().enumerate() {
        if index > 0 {
            printer::line("")?;
        }
        printer::objects(Output::Table, columns, rows)?;
    }
    if let Some(cost) = &snapshot.monthly_cost {
        printer::line(&format!(
            "\n{} a month, net",
            words::money(&cost.net, &cost.currency)
        ))?;
    }
    for error in &snapshot.errors {
        printer::note(&format!("{}: {}", error.source.name(), error.message));
    }
    Ok(())
}
