//! From the socket to the disk: `fleetctl up` against a server, or a parent, that sends as fast as it is read.

use anyhow::Result;
use tokio::time::Instant;

use crate::{
    Options,
    collector::{Collector, Place},
    corpus::{self, Way},
    feeder::Feeder,
    peer::{self, Received},
    process,
    report::{Better, Figure, Report, Row, Target},
};

/// What aioslsk is given: a fraction, since it would take minutes.
const PEER_SEARCHES: u32 = 100_000;
/// The collector of earlier studies, on aioslsk and `PostgreSQL`, on a machine with two cores.
pub(crate) const PUBLISHED_RECORDS: f64 = 8_000.0;
const PUBLISHED_MICROS: f64 = 106.0;

#[derive(Debug)]
struct Run {
    records_a_second: f64,
    micros_a_record: f64,
    /// MB.
    peak: f64,
    /// MB, when everything is on the disk.
    end: f64,
    bytes_a_record: f64,
}

pub(crate) async fn run(report: &mut Report, options: &Options) -> Result<()> {
    let from_server = runs(report, options, Way::Server).await?;
    let from_parent = runs(report, options, Way::Parent).await?;
    let received = received(report, options).await?;

    let rate = |runs: &[Run]| best(runs, |run| run.records_a_second, f64::max);
    let cpu = |runs: &[Run]| best(runs, |run| run.micros_a_record, f64::min);
    report.add(
        Row::new("socket to disk, from the server", "records/s", Better::More)
            .peer(Figure::published(PUBLISHED_RECORDS))
            .ours(rate(&from_server))
            .target(Target::AtLeast(100_000.0)),
    );
    report.add(
        Row::new(
            "socket to disk, from the server",
            "µs CPU a record",
            Better::Less,
        )
        .peer(Figure::published(PUBLISHED_MICROS))
        .ours(cpu(&from_server))
        .target(Target::AtMost(10.0)),
    );
    report.add(
        Row::new("socket to disk, from a parent", "records/s", Better::More)
            .peer(Figure::published(PUBLISHED_RECORDS))
            .ours(rate(&from_parent))
            .target(Target::AtLeast(100_000.0)),
    );
    report.add(
        Row::new(
            "socket to disk, from a parent",
            "µs CPU a record",
            Better::Less,
        )
        .peer(Figure::published(PUBLISHED_MICROS))
        .ours(cpu(&from_parent))
        .target(Target::AtMost(10.0)),
    );
    let searches = f64::from(PEER_SEARCHES);
    let peer_rate = best(&received, |run| searches / run.seconds, f64::max);
    let peer_cpu = best(&received, |run| run.cpu_seconds / searches * 1e6, f64::min);
    report.add(
        Row::new(
            "the same; aioslsk stores nothing",
            "records/s",
            Better::More,
        )
        .peer(Figure::measured(peer_rate))
        .ours(rate(&from_parent)),
    );
    report.add(
        Row::new(
            "the same; aioslsk stores nothing",
            "µs CPU a record",
            Better::Less,
        )
        .peer(Figure::measured(peer_cpu))
        .ours(cpu(&from_parent)),
    );
    let all = || from_server.iter().chain(&from_parent);
    report.add(
        Row::new("memory at full speed, peak", "MB", Better::Less)
            .ours(all().map(|run| run.peak).fold(0.0, f64::max)),
    );
    report.add(
        Row::new("memory after it", "MB", Better::Less)
            .ours(all().map(|run| run.end).fold(0.0, f64::max)),
    );
    report.add(
        Row::new("on the disk", "bytes a record", Better::Less).ours(best(
            &from_server,
            |run| run.bytes_a_record,
            f64::min,
        )),
    );
    Ok(())
}

fn best<T>(runs: &[T], of: impl Fn(&T) -> f64, better: impl Fn(f64, f64) -> f64) -> f64 {
    runs.iter().map(of).reduce(better).unwrap_or(f64::NAN)
}

async fn runs(report: &mut Report, options: &Options, way: Way) -> Result<Vec<Run>> {
    let frames = corpus::frames(way, 0, options.records);
    let mut runs = Vec::new();
    for _ in 0..options.runs {
        let run = one(way, &frames, options.records).await?;
        let Run {
            records_a_second,
            micros_a_record,
            peak,
            end,
            bytes_a_record: _,
        } = &run;
        report.run(format!(
            "{way:?}: {records_a_second:.0} records/s, {micros_a_record:.2} µs CPU a record, \
             memory {peak:.1} MB at most and {end:.1} MB at the end"
        ));
        runs.push(run);
    }
    Ok(runs)
}

/// As many runs for the peer as for us.
async fn received(report: &mut Report, options: &Options) -> Result<Vec<Received>> {
    let mut runs = Vec::new();
    for _ in 0..options.runs {
        let run = peer::receive(PEER_SEARCHES).await?;
        report.run(format!(
            "aioslsk: {PEER_SEARCHES} searches in {:.1} s, with {:.1} s of CPU",
            run.seconds, run.cpu_seconds
        ));
        runs.push(run);
    }
    Ok(runs)
}

async fn one(way: Way, frames: &[u8], records: u32) -> Result<Run> {
    let feeder = Feeder::start().await?;
    let mut collector = Collector::start(feeder.address()?, None).await?;
    let mut fed = feeder.accept(way).await?;

    let (started, used) = (Instant::now(), collector.cpu_seconds()?);
    let (sent, durable) = tokio::join!(
        fed.send(frames),
        collector.wait_for(Place::Disk, records.into())
    );
    sent?;
    durable?;
    let seconds = started.elapsed().as_secs_f64();
    let used = collector.cpu_seconds()? - used;
    let process::Memory { resident, peak } = collector.memory()?;

    let size = collector.stop(records.into()).await?;
    let records = f64::from(records);
    Ok(Run {
        records_a_second: records / seconds,
        micros_a_record: used / records * 1e6,
        peak,
        end: resident,
        bytes_a_record: f64::from(u32::try_from(size)?) / records,
    })
}
