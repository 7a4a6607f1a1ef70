//! `fleetctl` as people use it: the real executable, against the simulated server in this process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod archive;
mod cli;
mod common;
mod disk;
mod faults;
mod init;
mod kill;
mod monitor;
mod report;
mod secrets;
mod servers;
mod spool;
mod terminal;
mod up;
mod validate;

use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use crate::common::{Program, ended};

/// `fleetctl` with nothing from the environment that would change what it does.
fn fleetctl() -> Command {
    common::command(env!("CARGO_BIN_EXE_fleetctl"))
}

/// `fleetctl up` of a spec, with its admin server on a port that the system chooses.
async fn up(spec: &str, dir: &Path) -> Program {
    let file = dir.with_extension("yaml");
    std::fs::write(&file, spec).unwrap();
    let mut command = fleetctl();
    command.arg("up").arg(&file).arg("--data-dir").arg(dir);
    command.args(["--listen", "127.0.0.1:0"]);
    Program::start(command)
}

/// What `fleetctl export` gives, in its order.
async fn exported(dir: &Path) -> Vec<Value> {
    let mut command = fleetctl();
    command.args(["export", "--format", "jsonl", "--data-dir"]);
    json_lines(command.arg(dir)).await
}

/// What `fleetctl query -o json` gives.
async fn queried(dir: &Path, sql: &str) -> Vec<Value> {
    let mut command = fleetctl();
    command.args(["query", "-o", "json", sql, "--data-dir"]);
    json_lines(command.arg(dir)).await
}

async fn json_lines(command: &mut Command) -> Vec<Value> {
    let (code, stdout, stderr) = ended(command).await;
    assert_eq!(code, Some(0), "{stderr}");
    let lines = stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
