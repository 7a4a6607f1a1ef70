//! `fleetctl up` as a person runs it: a spec file, a data directory, a process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use crate::bins;

/// How long a test waits for something that should come.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// One line of `fleetctl export --format jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Record {
    pub client_id: String,
    pub seq: u64,
    pub received_at: String,
    pub username: String,
    pub query: String,
    pub token: u32,
    pub source: String,
    pub branch_level: u32,
}

/// A fleet on this machine. Dropping it kills the process.
#[derive(Debug)]
pub struct Fleet {
    process: Child,
    dir: TempDir,
}

impl Fleet {
    /// Starts `fleetctl up` with a region for each (region, account).
    pub async fn up(server: SocketAddr, regions: &[(&str, &str)]) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        std::fs::write(spec_file(dir.path()), spec(server, regions)?)?;
        let process = fleetctl()
            .await?
            .arg("up")
            .arg(spec_file(dir.path()))
            .arg("--data-dir")
            .arg(data_dir(dir.path()))
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(dir.path().join("stdout"))?)
            .stderr(std::fs::File::create(dir.path().join("stderr"))?)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start fleetctl")?;
        Ok(Self { process, dir })
    }

    /// All that is recorded so far, as `fleetctl export` gives it.
    pub async fn records(&self) -> Result<Vec<Record>> {
        if !data_dir(self.dir.path()).join("soulseek.db").exists() {
            return Ok(Vec::new());
        }
        let output = fleetctl()
            .await?
            .args(["export", "--format", "jsonl", "-f"])
            .arg(spec_file(self.dir.path()))
            .arg("--data-dir")
            .arg(data_dir(self.dir.path()))
            .output()
            .await?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let lines = String::from_utf8(output.stdout)?;
        lines
            .lines()
            .map(|line| serde_json::from_str(line).context(line.to_owned()))
            .collect()
    }

    /// Waits until the records are as wanted; gives them.
    pub async fn wait_for(&self, wanted: impl Fn(&[Record]) -> bool) -> Result<Vec<Record>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let records = self.records().await?;
            if wanted(&records) {
                return Ok(records);
            }
            if Instant::now() > deadline {
                let log = std::fs::read_to_string(self.dir.path().join("stderr"))?;
                let mut text = format!("the records did not come; {} are there:", records.len());
                for record in records.iter().rev().take(20) {
                    write!(text, "\n{record:?}")?;
                }
                bail!("{text}\nthe log:\n{log}");
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Ends the process as Ctrl-C does, and gives everything that it recorded.
    pub async fn stop(mut self) -> Result<Vec<Record>> {
        let id = self.process.id().context("fleetctl has ended early")?;
        let killed = Command::new("kill")
            .args(["-INT", &id.to_string()])
            .status()
            .await?;
        ensure!(killed.success(), "cannot signal fleetctl");
        let status = tokio::time::timeout(PATIENCE, self.process.wait()).await??;
        ensure!(status.success(), "fleetctl ended with {status}");
        self.records().await
    }
}

/// How often each query was recorded in each region.
pub fn counts(records: &[Record]) -> BTreeMap<(&str, &str), usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        *counts
            .entry((record.client_id.as_str(), record.query.as_str()))
            .or_default() += 1;
    }
    counts
}

async fn fleetctl() -> Result<Command> {
    Ok(Command::new(
        spawn_blocking(|| bins::path("fleetctl")).await??,
    ))
}

fn spec_file(dir: &Path) -> PathBuf {
    dir.join("spec.yaml")
}

fn data_dir(dir: &Path) -> PathBuf {
    dir.join("data")
}

fn spec(server: SocketAddr, regions: &[(&str, &str)]) -> Result<String> {
    let mut secrets = String::new();
    let mut list = String::new();
    for (region, account) in regions {
        write!(
            secrets,
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: account-{region}}}\n\
             stringData: {{username: {account}, password: password of {account}}}\n"
        )?;
        write!(
            list,
            "  - name: {region}\n    credentialsSecretRef: {{name: account-{region}}}\n"
        )?;
    }
    Ok(format!(
        "apiVersion: researchfleet.io/v1alpha1\nkind: ResearchCollector\nmetadata: {{name: test}}\n\
         spec:\n  network: soulseek\n  soulseek: {{server: \"{server}\"}}\n  regions:\n{list}\
         \x20 privacy: {{keySecretRef: {{name: key}}}}\n\
         ---\napiVersion: v1\nkind: Secret\nmetadata: {{name: key}}\n\
         stringData: {{key: a key of more than sixteen bytes}}\n{secrets}"
    ))
}
