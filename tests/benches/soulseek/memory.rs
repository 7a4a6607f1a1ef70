//! Resident memory at a steady rate, after the window of duplicates is full, and after a million records more.

use anyhow::Result;
use tokio::time::Duration;

use crate::{
    Options,
    collector::{Collector, Place},
    corpus::{self, Way},
    feeder::Feeder,
    report::{Better, Report, Row, Target},
};

/// Searches a second.
const RATE: u32 = 2_000;
/// Fills the collector's memory of what it has seen, which is bounded by its number of searches.
const WARM: u32 = 270_000;
/// Fast enough to be over soon, slow enough to leave the queues short.
const WARM_RATE: u32 = 20_000;
const STEADY: Duration = Duration::from_mins(1);
const MILLION: u32 = 1_000_000;
const SAMPLES: u32 = 6;
/// MB.
const LIMIT: f64 = 30.0;

pub(crate) async fn run(report: &mut Report, options: &Options) -> Result<()> {
    let feeder = Feeder::start().await?;
    let mut collector = Collector::start(feeder.address()?, None).await?;
    let mut fed = feeder.accept(Way::Server).await?;
    let at_the_start = collector.memory()?.resident;

    let mut sent = 0;
    let warm = corpus::frames(Way::Server, sent, WARM);
    sent += WARM;
    fed.send_at(WARM_RATE, &warm).await?;
    collector.wait_for(Place::Disk, sent.into()).await?;
    drop(warm);

    let steady = if options.long {
        MILLION
    } else {
        RATE * u32::try_from(STEADY.as_secs())?
    };
    let mut samples = vec![collector.memory()?.resident];
    for _ in 0..SAMPLES {
        let frames = corpus::frames(Way::Server, sent, steady / SAMPLES);
        sent += steady / SAMPLES;
        fed.send_at(RATE, &frames).await?;
        collector.wait_for(Place::Disk, sent.into()).await?;
        samples.push(collector.memory()?.resident);
    }
    let peak = collector.memory()?.peak;

    let burst = corpus::frames(Way::Server, sent, MILLION);
    sent += MILLION;
    let (fast, durable) = tokio::join!(
        fed.send(&burst),
        collector.wait_for(Place::Disk, sent.into())
    );
    fast?;
    durable?;
    drop(burst);
    let frames = corpus::frames(Way::Server, sent, steady / SAMPLES);
    sent += steady / SAMPLES;
    fed.send_at(RATE, &frames).await?;
    collector.wait_for(Place::Disk, sent.into()).await?;
    let after = collector.memory()?.resident;
    collector.stop(sent.into()).await?;

    let (first, last) = (samples[0], samples[samples.len() - 1]);
    let seconds = steady / RATE;
    report.note(format!(
        "resident at {RATE}/s, at equal times of {seconds} s: {} MB",
        samples
            .iter()
            .map(|sample| format!("{sample:.1}"))
            .collect::<Vec<_>>()
            .join(", ")
    ));
    let row = |what: &str| Row::new(what, "MB", Better::Less);
    report.add(row("memory, logged in, nothing received").ours(at_the_start));
    report.add(row(&format!("memory, window full, {RATE}/s begins")).ours(first));
    report.add(
        row(&format!("memory after {seconds} s at {RATE}/s"))
            .ours(last)
            .target(Target::AtMost(LIMIT)),
    );
    report.add(
        row("memory, the most until then")
            .ours(peak)
            .target(Target::AtMost(LIMIT)),
    );
    report.add(
        row(&format!("memory after a million at once, at {RATE}/s"))
            .ours(after)
            .target(Target::AtMost(LIMIT)),
    );
    Ok(())
}
