//! How long the figures of a day take, and how much memory: `cargo bench -p fleet-store --bench report [-- ROWS]...`
//!
//! Each number of rows runs in a process of its own, since the peak of memory (`VmHWM`) never goes down. The rows: five
//! regions that hear nearly everything of a network in which a few queries are typed by many and most by one.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::sync::Arc;

use fleet_store::report::{DayBuilder, DayOptions};
use fleet_store::{Row, Source};
use jiff::civil::date;

type Failure = Box<dyn std::error::Error>;

const DAY_MICROS: u64 = 86_400_000_000;
/// 2026-10-01T00:00:00Z
const BEGIN: i64 = 1_790_812_800_000_000;
const USERS: u64 = 300_000;

/// splitmix64: numbers that look random and are the same in every run.
fn spread(n: u64) -> u64 {
    let mut hash = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ hash >> 31
}

/// The n-th row of `rows`. Half of the rows are searches that all five regions hear, the others are heard by one.
///
/// Half of the searches are for something that nobody else looks for; the others go by a power law (the r-th query is
/// typed in proportion to r^-2/3). So 6 million rows are 3.6 million searches for 2.5 million different queries.
fn row(n: u64, rows: u64, clients: &[Arc<str>], spool: &Arc<str>) -> Row {
    let (search, client) = if n < rows / 2 {
        (n / 5, n % 5)
    } else {
        (n, spread(n) % 5)
    };
    let random = spread(search);
    let query = if random.is_multiple_of(2) {
        format!("Artist {} and a song {search}", search % 9973)
    } else {
        let uniform = spread(random) >> 44;
        let cube = (u128::from(uniform).pow(3) * u128::from(rows / 5)) >> 60;
        format!("popular artist number {cube}")
    };
    let at = spread(search) % (DAY_MICROS - 20_000_000) + spread(n) % 2_000_000;
    Row {
        client_id: Arc::clone(&clients[usize::try_from(client).unwrap_or_default()]),
        spool: Arc::clone(spool),
        seq: 1,
        received_at: BEGIN + i64::try_from(at).unwrap_or_default(),
        username: format!(
            "GNR-bYi3kePcQvQUEbT5UAGxHP7Ozya-{:07}",
            spread(random) % USERS
        ),
        query,
        query_raw: None,
        token: u32::try_from(random & 0xffff).unwrap_or_default(),
        source: Source::Parent,
        branch_level: 3,
        canary: false,
    }
}

/// Seconds of CPU that this process has used: other programs on the machine do not count.
fn cpu() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / 100.0)
}

fn peak_mib() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.ok_or("no VmHWM")?.parse::<u64>()? / 1024)
}

fn one(rows: u64) -> Result<(), Failure> {
    let clients: Vec<Arc<str>> = (0..5).map(|n| format!("region-{n}").into()).collect();
    let spool = Arc::from("5b");
    let started = cpu()?;
    for n in 0..rows {
        std::hint::black_box(row(n, rows, &clients, &spool));
    }
    let making = cpu()? - started;
    let before = peak_mib()?;
    let started = cpu()?;
    let mut builder = DayBuilder::new(date(2026, 10, 1), DayOptions { stable_names: true });
    for n in 0..rows {
        builder.push(&row(n, rows, &clients, &spool))?;
    }
    let pushed = cpu()? - started - making;
    let started = cpu()?;
    let figures = builder.finish();
    let finished = cpu()? - started;
    let peak = peak_mib()?;
    let json = figures.to_json()?;
    let searches: u64 = figures.seen_by.iter().map(|set| set.searches).sum();
    println!(
        "{rows:>9} rows, {:>8} different queries, {searches:>8} searches: rows {pushed:>5.2} s, end {finished:>5.2} s of CPU, peak {peak:>4} MiB ({before} before), JSON {:>4} KiB",
        figures.queries.estimate().value,
        json.len() / 1024,
    );
    Ok(())
}

fn main() -> Result<(), Failure> {
    let rows: Vec<u64> = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    match rows[..] {
        [rows] => return one(rows),
        [] => {}
        _ => return Err("one number of rows, or none".into()),
    }
    for rows in [1_000_000_u64, 3_000_000, 6_000_000] {
        let status = std::process::Command::new(std::env::current_exe()?)
            .arg(rows.to_string())
            .status()?;
        if !status.success() {
            return Err(format!("{rows} rows: {status}").into());
        }
    }
    Ok(())
}
