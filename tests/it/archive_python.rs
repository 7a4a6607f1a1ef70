//! People read archives with `DuckDB` and pandas, in one line each, and get what was written.

use std::{collections::BTreeMap, fs::File, path::Path};

use anyhow::{Result, ensure};
use fleet_sim::soulseek::traffic::{Heard, Traffic, TrafficOptions};
use fleet_store::{
    Row, Source,
    archive::{FileFormat, FileWriter},
};
use fleet_tests::venv;
use serde::Deserialize;
use tokio::{process::Command, task::spawn_blocking};

const FILES: usize = 2;
const ROWS: usize = 3000;

/// What each of the two programs finds.
#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Found {
    rows: usize,
    types: BTreeMap<String, String>,
    queries: BTreeMap<String, u64>,
    seq_sum: i64,
    token_sum: u64,
    first_received_at: String,
    canaries: usize,
    /// Of the row with the highest token.
    username: String,
    raw: Vec<String>,
}

#[tokio::test]
async fn duckdb_and_pandas_read_archives() -> Result<()> {
    let python = spawn_blocking(venv::archive_python).await??;
    let directory = tempfile::tempdir()?;
    let rows = rows();
    for (number, part) in rows.chunks(ROWS).enumerate() {
        for format in [FileFormat::Parquet, FileFormat::CsvGz] {
            let name = format!("searches_2026-1{number}.{format}");
            let mut writer = FileWriter::new(format, File::create(directory.path().join(name))?)?;
            for row in part {
                writer.push(row)?;
            }
            writer.finish()?;
        }
    }
    let duckdb = found(&python, directory.path(), "duckdb").await?;
    let pandas = found(&python, directory.path(), "pandas").await?;
    let expected = |types: [&str; 11]| Found {
        rows: rows.len(),
        types: COLUMNS
            .map(String::from)
            .into_iter()
            .zip(types.map(String::from))
            .collect(),
        queries: rows.iter().fold(BTreeMap::new(), |mut counts, row| {
            *counts.entry(row.query.clone()).or_default() += 1;
            counts
        }),
        seq_sum: rows.iter().map(|row| row.seq).sum(),
        token_sum: rows.iter().map(|row| u64::from(row.token)).sum(),
        first_received_at: "2026-10-01 00:00:00.123456+00:00".into(),
        canaries: rows.iter().filter(|row| row.canary).count(),
        username: "the last one".into(),
        raw: vec!["ff00c3".into()],
    };
    let (text, time) = ("VARCHAR", "TIMESTAMP WITH TIME ZONE");
    assert_eq!(
        duckdb,
        expected([
            text, text, "BIGINT", time, text, text, "UINTEGER", text, "UINTEGER", "BOOLEAN",
            "BLOB",
        ])
    );
    let (text, time) = ("str", "datetime64[us, UTC]");
    assert_eq!(
        pandas,
        expected([
            text, text, "int64", time, text, text, "uint32", text, "uint32", "bool", "object",
        ])
    );
    let csv = run(&python, directory.path(), "csv").await?;
    assert_eq!(csv.trim(), rows.len().to_string());
    Ok(())
}

const COLUMNS: [&str; 11] = [
    "client_id",
    "spool",
    "seq",
    "received_at",
    "username",
    "query",
    "token",
    "source",
    "branch_level",
    "canary",
    "query_raw",
];

/// Real queries, and what is rare but possible.
fn rows() -> Vec<Row> {
    let row = |(n, heard): (usize, Heard)| Row {
        client_id: ["fsn1", "ash", "sin"][heard.region as usize].into(),
        spool: format!("{:032x}", heard.region).into(),
        seq: i64::try_from(n).unwrap_or_default() + (1 << 40),
        received_at: heard.at_micros,
        username: heard.username.to_string(),
        query: heard.query.to_string(),
        query_raw: None,
        token: heard.token,
        source: Source::Parent,
        branch_level: heard.region,
        canary: n % 100 == 0,
    };
    let options = TrafficOptions::default();
    let start = options.start_micros;
    let mut rows: Vec<_> = Traffic::new(options)
        .take(FILES * ROWS)
        .enumerate()
        .map(row)
        .collect();
    rows[0].received_at = start + 123_456;
    rows[1].query = String::new();
    rows[2].query = "a \"quoted\", text\r\nin two lines 東京 🎵".into();
    rows[3].query_raw = Some(vec![0xff, 0x00, 0xc3]);
    rows[4].username = "the last one".into();
    rows[4].token = u32::MAX;
    rows[5].token = 0;
    rows[5].source = Source::Direct;
    for row in &mut rows[1..] {
        row.received_at = row.received_at.max(start + 123_457);
        row.token = row
            .token
            .min(u32::MAX - u32::from(row.username != "the last one"));
    }
    rows
}

async fn found(python: &Path, directory: &Path, program: &str) -> Result<Found> {
    Ok(serde_json::from_str(
        &run(python, directory, program).await?,
    )?)
}

async fn run(python: &Path, directory: &Path, program: &str) -> Result<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/read_archive.py");
    let output = Command::new(python)
        .arg(script)
        .arg(program)
        .current_dir(directory)
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
