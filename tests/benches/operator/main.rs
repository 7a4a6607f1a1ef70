//! How fast the operator is, and how big: `cargo bench --workspace --bench operator`. A real control plane, and the real
//! operator of this profile; beside it the least that a controller of kube-rs can do with the same objects.
//!
//! No number makes it fail, only what does not come.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

mod change;
mod cluster;
mod floor;
mod process;

use std::{env, time::Duration};

use anyhow::Result;
use fleet_tests::{kube::Kubernetes, kubelet::Kubelets};
use tokio::time::sleep;

use self::{cluster::Cluster, process::Operator};

const FLEETS: usize = 1000;
const CHANGES: usize = 20;
const MINUTE: Duration = Duration::from_mins(1);

#[tokio::main]
async fn main() -> Result<()> {
    if !env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let kubernetes = Kubernetes::start().await?;
    let client = kubernetes.client().await?;

    let floor = Cluster::prepare(&client, "floor", FLEETS).await?;
    let least = floor::run(&floor).await?;

    let cluster = Cluster::prepare(&client, "bench", FLEETS).await?;
    let operator = Operator::start(&kubernetes, "bench").await?;
    let settled = cluster.settle().await?;
    let (calls, peak) = (operator.calls().await?, operator.memory("VmHWM")?);

    let kubelets = Kubelets::start_in(client.clone(), "bench").await?;
    kubelets.add_node("bench-node", &[]).await?;
    cluster.until_ready().await?;
    // What follows the last pod: events, and looks that were waiting.
    sleep(Duration::from_secs(10)).await;
    let before = operator.calls().await?;
    sleep(MINUTE).await;
    let after = operator.calls().await?;
    let resting = operator.memory("VmRSS")?;

    let changes = change::measure(&cluster, CHANGES).await?;
    let highest = operator.memory("VmHWM")?;

    println!("                                              floor     ours   target");
    line(
        "1000 fleets from the first create",
        "s",
        Some(least.as_secs_f64()),
        settled.as_secs_f64(),
        Some(60.0),
    );
    let fleets = number(FLEETS);
    line(
        "calls that write, a fleet",
        "",
        Some(1.0),
        number(calls.writes) / fleets,
        None,
    );
    line(
        "calls that read, a fleet",
        "",
        Some(0.0),
        number(calls.reads) / fleets,
        None,
    );
    line("memory while they come", "MB", None, peak, Some(150.0));
    line("memory at the end", "MB", None, resting, Some(150.0));
    line("memory at the most", "MB", None, highest, Some(150.0));
    line(
        "a minute without a change: writes",
        "",
        None,
        number(after.writes - before.writes),
        Some(0.0),
    );
    line(
        "a minute without a change: reads",
        "",
        None,
        number(after.reads - before.reads),
        None,
    );
    line("a change: median", "ms", None, changes.median, Some(1000.0));
    line("a change: worst", "ms", None, changes.worst, Some(1000.0));
    Ok(())
}

fn line(what: &str, unit: &str, floor: Option<f64>, ours: f64, at_most: Option<f64>) {
    let floor = floor.map_or_else(String::new, |floor| format!("{floor:.1}"));
    let verdict = at_most.map_or_else(String::new, |at_most| {
        let verdict = if ours <= at_most { "met" } else { "MISSED" };
        format!("≤ {at_most}  {verdict}")
    });
    println!("{what:<38} {unit:<3} {floor:>9} {ours:>8.1}   {verdict}");
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
