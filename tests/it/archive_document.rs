//! The lines that `docs/archive.md` shows to people with archives, run as they stand there.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{env, ffi::OsString, fs, process::Output};

use anyhow::{Context, Result};
use fleet_tests::{
    bins,
    postgres::Postgres,
    study::{Study, arg, output, said},
    venv,
};
use tokio::{process::Command, task::spawn_blocking};

const DOCUMENT: &str = include_str!("../../docs/archive.md");
/// Where the document has its files.
const DIRECTORY: &str = "/srv/archive";

/// A record a minute, for four days.
const FROM: &str = "2026-10-19T00:00:00Z";
const STEP_MS: u64 = 60_000;
const RECORDS: u64 = 4 * 24 * 60;

/// The first commands of a section.
fn commands(section: &str) -> Result<Vec<&'static str>> {
    let (_, section) = DOCUMENT
        .split_once(&format!("\n## {section}\n"))
        .with_context(|| format!("no section {section}"))?;
    let (_, block) = section.split_once("```sh\n").context("no commands")?;
    let (block, _) = block.split_once("```").context("no end of the commands")?;
    Ok(block
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect())
}

/// What finds our programs, and Python with what it needs.
async fn path() -> Result<OsString> {
    let python = spawn_blocking(venv::archive_python).await??;
    let fleetctl = bins::path("fleetctl")?;
    let ours = [&python, &fleetctl].map(|program| program.parent().unwrap().to_owned());
    let others = env::var_os("PATH").unwrap_or_default();
    Ok(env::join_paths(
        ours.into_iter().chain(env::split_paths(&others)),
    )?)
}

/// What standard output has.
fn shown(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn every_line_does_what_it_says() {
    let path = path().await.unwrap();
    let server = Postgres::start().await.unwrap();
    let study = Study::new(&server, "fleet").await.unwrap();
    study
        .collect("north", FROM, STEP_MS, RECORDS)
        .await
        .unwrap();
    let files = study.files();
    let run = async |line: &str| {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &line.replace(DIRECTORY, arg(&files))])
            .env("PATH", &path)
            .env("DATABASE_URL", study.url())
            .current_dir(&files)
            .kill_on_drop(true);
        output(&mut shell).await.unwrap()
    };
    let archive = ["archive", "run", "--month", "2026-10", "--destination"];
    let archive = [&archive[..], &[arg(&files)]].concat();
    study.run(&archive).await.unwrap();

    let [duckdb, pandas, export] = commands("Reading them").unwrap()[..] else {
        panic!("the document has other lines");
    };
    let table = shown(&run(duckdb).await);
    assert!(table.contains("users"), "{table}");
    assert_eq!(table.matches("north record ").count(), 20, "{table}");
    let sizes = shown(&run(pandas).await);
    assert!(sizes.contains(&format!("north    {RECORDS}\n")), "{sizes}");
    shown(&run(export).await);
    let day = fs::read_to_string(files.join("day.csv")).unwrap();
    assert_eq!(day.lines().count(), 24 * 60 + 1);
    assert!(day.contains("2026-10-21T23:59:00"));
    fs::remove_file(files.join("day.csv")).unwrap();

    let [list, verify, sums] = commands("Is it still right?").unwrap()[..] else {
        panic!("the document has other lines");
    };
    assert!(shown(&run(list).await).contains("verified"));
    assert!(shown(&run(verify).await).contains("right"));
    assert_eq!(shown(&run(sums).await), "searches_2026-10.parquet: OK\n");

    let file = files.join("searches_2026-10.parquet");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    assert_eq!(run(verify).await.status.code(), Some(6));
    assert!(!run(sums).await.status.success());
}
