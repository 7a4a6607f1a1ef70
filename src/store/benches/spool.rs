//! How many records the spool takes, and what one costs: `cargo bench -p fleet-store --bench spool [-- DIR]`.
//!
//! Prints a line for each way of feeding it: as fast as it goes, and at the 100 000 records a second that a collector is
//! made for. CPU time is that of the whole process, from /proc/self/stat, whose clock ticks every 10 ms.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::cast_precision_loss, reason = "counts are small")]

use std::path::{Path, PathBuf};

use fleet_store::{
    Filter, Format, Pseudonymizer, Reader, Record, Scheme, Source, Spool, SpoolOptions, export,
};
use tokio::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

/// Microseconds of CPU that this process has used.
fn cpu() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<f64>)
        .sum::<Result<f64, _>>()?;
    Ok(ticks * 10_000.0)
}

/// A line of /proc/self/status.
fn memory(field: &str) -> Result<String, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .unwrap_or_default();
    Ok(line.trim_start_matches(':').trim().to_owned())
}

/// A query of 20 bytes from a user whose name has 12.
fn record(n: u32, username: String) -> Record {
    Record {
        received_at: 1_700_000_000_000_000 + i64::from(n),
        username,
        query: format!("artist and song {:04}", n % 10_000),
        query_raw: None,
        token: n,
        source: Source::Parent,
        branch_level: 5,
        canary: false,
    }
}

/// `rate` is records a second; none is as fast as it goes.
async fn feed(dir: &Path, count: u32, rate: Option<u32>, pseudonyms: bool) -> Result<(), Failure> {
    let spool = Spool::open(dir, SpoolOptions::default()).await?;
    let client = spool.client("bench").await?;
    let mut status = spool.status();
    let mut maker = Pseudonymizer::new(Scheme::Siv, &"a key for the benchmark".into())?;
    let fixed = maker.pseudonym("user-0123456");
    let commits = tokio::spawn(async move {
        let mut commits = 0_u32;
        while status.changed().await.is_ok() {
            commits += 1;
        }
        commits
    });
    let (started, used) = (Instant::now(), cpu()?);
    for n in 0..count {
        if let Some(rate) = rate.filter(|rate| n % (rate / 100) == 0) {
            tokio::time::sleep_until(started + Duration::from_secs(1) * n / rate).await;
        }
        let username = if pseudonyms {
            maker.pseudonym(&format!("user-{:07}", n % 10_000_000))
        } else {
            fixed.clone()
        };
        client.append(record(n, username)).await?;
    }
    client.flush().await?;
    let (took, used) = (started.elapsed().as_secs_f64(), cpu()? - used);
    spool.close().await?;
    let feed = rate.map_or("as fast as it goes".to_owned(), |rate| {
        format!("at {rate}/s")
    });
    println!(
        "{feed}{}: {:.0} records/s, {:.2} µs CPU a record, {} commits, peak memory {}",
        if pseudonyms {
            " with siv pseudonyms"
        } else {
            ""
        },
        f64::from(count) / took,
        used / f64::from(count),
        commits.await?,
        memory("VmHWM")?,
    );
    Ok(())
}

fn pseudonyms() -> Result<(), Failure> {
    for scheme in [Scheme::Siv, Scheme::Hmac, Scheme::Fernet] {
        let mut maker = Pseudonymizer::new(scheme, &"a key for the benchmark".into())?;
        let used = cpu()?;
        let mut bytes = 0;
        for n in 0..500_000 {
            bytes += maker.pseudonym(&format!("user-{n:07}")).len();
        }
        println!(
            "{scheme}: {:.2} µs CPU a pseudonym of {} bytes",
            (cpu()? - used) / 5e5,
            bytes / 500_000
        );
    }
    Ok(())
}

async fn exports(dir: &Path) -> Result<(), Failure> {
    let reader = Reader::open(dir).await?;
    for format in [Format::Jsonl, Format::Csv, Format::Parquet] {
        let path = dir.join("export");
        let started = Instant::now();
        let count = export(
            &reader,
            format,
            Filter::default(),
            std::fs::File::create(&path)?,
        )
        .await?;
        let rate = count as f64 / started.elapsed().as_secs_f64();
        let size = std::fs::metadata(&path)?.len() as f64 / count as f64;
        println!(
            "export {format:?}: {rate:.0} records/s, {size:.0} bytes a record, memory {}",
            memory("VmRSS")?
        );
    }
    Ok(())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let root = tempfile::tempdir_in(directory())?;
    println!("memory at the start {}", memory("VmRSS")?);
    for (name, count, rate, pseudonyms) in [
        ("slow", 20_000, Some(2000), false),
        ("paced", 1_000_000, Some(100_000), false),
        ("named", 1_000_000, Some(100_000), true),
        ("fast", 2_000_000, None, false),
    ] {
        feed(&root.path().join(name), count, rate, pseudonyms).await?;
    }
    let path = root.path().join("fast");
    println!(
        "on the disk {:.0} bytes a record",
        std::fs::metadata(path.join("soulseek.db"))?.len() as f64 / 2e6
    );
    exports(&path).await?;
    pseudonyms()
}

/// The target directory lies on a real disk; a memory file system would say nothing about `fsync`.
fn directory() -> PathBuf {
    let given = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    given.map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from)
}
