//! How small archives are, and what they cost to write: `cargo bench -p fleet-store --bench archive`.
//!
//! Writes the same made-up searches (`fleet_sim::soulseek::traffic`) as Parquet, as CSV.gz, in the old form (four
//! columns as CSV, the name as 64 hexadecimal digits, gzip) and as that CSV with zstd. CPU time is that of the whole
//! process without what the searches cost, from /proc/self/stat, whose clock ticks every 10 ms. Then writes more and more rows
//! in processes of their own and prints their peak memory.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::cast_precision_loss, reason = "counts are small")]

use std::collections::HashMap;
use std::io::{self, Write};
use std::process::Command;
use std::sync::Arc;

use flate2::write::GzEncoder;
use fleet_sim::soulseek::traffic::{Heard, Traffic, TrafficOptions};
use fleet_store::archive::{FileFacts, FileFormat, FileWriter, Hashing, read_parquet};
use fleet_store::{Pseudonymizer, Row, Scheme, Source};

type Failure = Box<dyn std::error::Error>;

const ROWS: usize = 4_000_000;
const REGIONS: [&str; 3] = ["fsn1", "ash", "sin"];

fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--memory") {
        return memory(arguments[at + 1].parse()?);
    }
    println!(
        "{:<12} {:<20} {:>8} {:>10} {:>12}",
        "traffic", "form", "B/row", "of hot", "rows/s core"
    );
    let one_region = TrafficOptions {
        regions: 1,
        ..TrafficOptions::default()
    };
    for (name, options) in [
        ("3 regions", TrafficOptions::default()),
        ("1 region", one_region),
        ("worst case", TrafficOptions::worst_case()),
    ] {
        sizes(name, &options)?;
    }
    println!("\n{:>10} {:>14}", "rows", "peak memory");
    for rows in [1_000_000, 2_000_000, 4_000_000, 8_000_000] {
        let child = Command::new(std::env::current_exe()?)
            .args(["--memory", &rows.to_string()])
            .output()?;
        let peak = String::from_utf8(child.stdout)?;
        println!("{rows:>10} {:>14}", peak.trim());
    }
    Ok(())
}

/// A line for each form.
fn sizes(name: &str, options: &TrafficOptions) -> Result<(), Failure> {
    let (generating, hot) = timed(|| {
        let mut hot = 0;
        for row in rows(options) {
            hot += hot_bytes(&row);
        }
        Ok(hot)
    })?;
    let count = ROWS as f64;
    let hot = hot as f64 / count * 8192.0 / 8168.0;
    println!(
        "{name:<12} {:<20} {hot:>8.2} {:>10}",
        "Postgres, computed", "1"
    );
    let line = |form: &str, size: u64, cpu: f64| {
        let each = size as f64 / count;
        println!(
            "{name:<12} {form:<20} {each:>8.2} 1/{:>8.1} {:>12.0}",
            hot / each,
            count / cpu
        );
    };
    for format in [FileFormat::Parquet, FileFormat::CsvGz] {
        let (used, size) = timed(|| written(options, format, io::sink()))?;
        line(&format.to_string(), size, used - generating);
    }
    let (used, size) = timed(|| {
        let output = GzEncoder::new(Hashing::new(io::sink()), flate2::Compression::new(6));
        Ok(old_csv(options, output)?.finish()?.size())
    })?;
    line("old CSV, gzip", size, used - generating);
    let (used, size) = timed(|| {
        let output = zstd::Encoder::new(Hashing::new(io::sink()), 9)?;
        Ok(old_csv(options, output)?.finish()?.size())
    })?;
    line("old CSV, zstd 9", size, used - generating);

    let mut file = tempfile::tempfile()?;
    written(options, FileFormat::Parquet, &mut file)?;
    let (used, found) = timed(|| {
        let mut found = 0;
        for row in read_parquet("the file", file, None)? {
            row?;
            found += 1;
        }
        Ok(found)
    })?;
    println!(
        "{name:<12} {:<20} {:>8} {:>10} {:>12.0}",
        "reading Parquet",
        "",
        "",
        f64::from(found) / used
    );
    Ok(())
}

/// The size of the file.
fn written(
    options: &TrafficOptions,
    format: FileFormat,
    output: impl Write + Send,
) -> Result<u64, Failure> {
    let mut writer = FileWriter::new(format, output)?;
    for row in rows(options) {
        writer.push(&row)?;
    }
    Ok(writer.finish()?.0.file.size)
}

/// What the system before this one kept.
fn old_csv<W: Write>(options: &TrafficOptions, mut output: W) -> Result<W, Failure> {
    for row in rows(options) {
        let name = FileFacts::of(row.username.as_bytes())?.sha256;
        let at = jiff::Timestamp::from_microsecond(row.received_at)?;
        let query = row.query.replace('"', "\"\"");
        writeln!(output, "{},{at:.6},{name},\"{query}\"", row.client_id)?;
    }
    Ok(output)
}

/// What the row takes in the hot table: line pointer and header, fields, varlena headers, all to a multiple of 8.
fn hot_bytes(row: &Row) -> usize {
    let pseudonym = row.username.len() * 3 / 4;
    let fields = 26 + 1 + pseudonym + if row.query.len() < 127 { 1 } else { 4 } + row.query.len();
    4 + (24 + fields).next_multiple_of(8)
}

fn rows(options: &TrafficOptions) -> impl Iterator<Item = Row> {
    let mut maker = Pseudonymizer::new(Scheme::Siv, &"a key for the benchmark".into())
        .expect("the key is long enough");
    let mut pseudonyms: HashMap<Arc<str>, String> = HashMap::new();
    let names = REGIONS.map(Arc::from);
    let spools =
        [1_u128, 2, 3].map(|n| format!("{:032x}", n * 0x9E37_79B9_7F4A_7C15_F39C_C060).into());
    // Regions have not all begun on the same day.
    let mut seqs = [12_345_678, 9_876_543, 11_222_333];
    let row = move |heard: Heard| {
        let region = heard.region as usize;
        seqs[region] += 1;
        let username = pseudonyms
            .entry(heard.username)
            .or_insert_with_key(|name| maker.pseudonym(name));
        Row {
            client_id: Arc::clone(&names[region]),
            spool: Arc::clone(&spools[region]),
            seq: seqs[region],
            received_at: heard.at_micros,
            username: username.clone(),
            query: heard.query.to_string(),
            query_raw: None,
            token: heard.token,
            source: Source::Parent,
            branch_level: 3 + heard.region,
            canary: false,
        }
    };
    Traffic::new(options.clone()).take(ROWS).map(row)
}

/// Seconds of CPU.
fn timed<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<(f64, T), Failure> {
    let before = cpu()?;
    let result = work()?;
    Ok((cpu()? - before, result))
}

fn cpu() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(11).take(2);
    Ok(fields.map(str::parse::<f64>).sum::<Result<f64, _>>()? / 100.0)
}

/// Writes so many rows and prints the peak memory of the process, without what the made-up searches need.
fn memory(count: usize) -> Result<(), Failure> {
    let mut writer = FileWriter::new(FileFormat::Parquet, io::sink())?;
    let mut random = fleet_sim::random::Random::new(7);
    let names = fleet_sim::random::Zipf::new(300_000, 0.75);
    let mut row = rows(&TrafficOptions::default())
        .next()
        .ok_or("there is no traffic")?;
    for n in 0..count {
        let user = names.draw(&mut random);
        row.seq += 1;
        row.received_at += 15_000;
        row.username = format!("{user:0>35}");
        row.query = format!("{:x} some more words", random.bits() % 4_000_000);
        row.token = u32::try_from(n)?;
        writer.push(&row)?;
    }
    writer.finish()?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!("{}", peak.unwrap_or_default().trim());
    Ok(())
}
