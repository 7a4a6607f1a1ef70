//! `fleetctl up` as a person starts it: a process of its own, with one region, and a spool on a real disk.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail, ensure};
use fleet_tests::{bins, ports};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
    task::spawn_blocking,
    time::{Duration, Instant, sleep},
};

use crate::process::{self, Memory};

/// How often the collector is asked how much is on the disk.
const POLL: Duration = Duration::from_millis(20);
/// Without another record for this long something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// How far the records have come, by the collector's own `/metrics`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Disk,
    Database,
}

impl Place {
    fn metric(self) -> &'static str {
        match self {
            Self::Disk => "fleet_spool_committed_total ",
            Self::Database => "fleet_ship_records_total ",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Collector {
    process: Child,
    pid: u32,
    metrics: SocketAddr,
    home: TempDir,
}

impl Collector {
    /// With the URL of a database, the records go on to there.
    pub(crate) async fn start(server: SocketAddr, database: Option<&str>) -> Result<Self> {
        let program = spawn_blocking(|| bins::path("fleetctl")).await??;
        // In the target directory: a memory file system would say nothing about `fsync`.
        let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let spec = home.path().join("spec.yaml");
        fs::write(&spec, spec_of(server, database)?)?;
        let metrics = SocketAddr::from(([127, 0, 0, 1], ports::free_port()?));
        let process = Command::new(program)
            .arg("up")
            .arg(&spec)
            .arg("--data-dir")
            .arg(data_dir(home.path()))
            .args(["--listen", &metrics.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(log(home.path()))?)
            .kill_on_drop(true)
            .spawn()
            .context("failed to start fleetctl")?;
        let pid = process.id().context("fleetctl has ended at once")?;
        let mut collector = Self {
            process,
            pid,
            metrics,
            home,
        };
        collector.wait_for_metrics().await?;
        Ok(collector)
    }

    async fn wait_for_metrics(&mut self) -> Result<()> {
        let started = Instant::now();
        while let Err(error) = self.count(Place::Disk).await {
            if started.elapsed() > PATIENCE || self.process.try_wait()?.is_some() {
                return Err(error.context(format!(
                    "fleetctl does not start; its log:\n{}",
                    self.log()?
                )));
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(log(self.home.path()))?)
    }

    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        process::cpu_seconds(self.pid)
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        process::memory(self.pid)
    }

    /// Waits until so many records are durable.
    pub(crate) async fn wait_for(&mut self, place: Place, count: u64) -> Result<()> {
        let mut last = (0, Instant::now());
        loop {
            let committed = self.count(place).await?;
            if committed >= count {
                return Ok(());
            }
            if committed > last.0 {
                last = (committed, Instant::now());
            }
            if last.1.elapsed() > PATIENCE || self.process.try_wait()?.is_some() {
                bail!(
                    "the collector stopped at {committed} of {count} records; its log:\n{}",
                    self.log()?
                );
            }
            sleep(POLL).await;
        }
    }

    async fn count(&self, place: Place) -> Result<u64> {
        let mut stream = TcpStream::connect(self.metrics).await?;
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            .await?;
        let mut response = String::new();
        stream.read_to_string(&mut response).await?;
        let metric = place.metric();
        let count = response.lines().find_map(|line| line.strip_prefix(metric));
        let count = count.with_context(|| format!("no {metric}in:\n{response}"))?;
        Ok(count.parse()?)
    }

    /// Ends the process in order, and makes sure that exactly the searches with the tokens 0 to `count` are on the
    /// disk, each once. Gives the size of the spool, in bytes.
    pub(crate) async fn stop(mut self, count: u64) -> Result<u64> {
        self.end().await?;
        let data = data_dir(self.home.path());
        let found = query(
            &data,
            "SELECT count(*), count(DISTINCT token), min(token), max(token) FROM searches",
        )
        .await?;
        let expected = format!("{count},{count},0,{}", count.saturating_sub(1));
        ensure!(
            found.lines().last() == Some(expected.as_str()),
            "count, distinct, min and max of tokens should be {expected}, but are:\n{found}"
        );
        Ok(fs::metadata(data.join("soulseek.db"))?.len())
    }

    /// Ends the process in order.
    pub(crate) async fn end(&mut self) -> Result<()> {
        // No function of the standard library sends this signal.
        let pid = self.pid.to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().await?;
        ensure!(told.success(), "failed to end fleetctl");
        let ended = self.process.wait().await?;
        ensure!(
            ended.success(),
            "fleetctl: {ended}; its log:\n{}",
            self.log()?
        );
        Ok(())
    }
}

async fn query(data: &Path, sql: &str) -> Result<String> {
    let program = spawn_blocking(|| bins::path("fleetctl")).await??;
    let output = Command::new(program)
        .args(["query", "--output", "csv", "--data-dir"])
        .arg(data)
        .arg(sql)
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "fleetctl query: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

fn data_dir(home: &Path) -> PathBuf {
    home.join("data")
}

fn log(home: &Path) -> PathBuf {
    home.join("log")
}

fn spec_of(server: SocketAddr, database: Option<&str>) -> Result<String> {
    let (port, obfuscated) = (ports::free_port()?, ports::free_port()?);
    let url = database.unwrap_or_default();
    let database = database.map_or(
        "",
        |_| "database: {external: {urlSecretRef: {name: study}}}",
    );
    Ok(format!(
        "\
apiVersion: v1
kind: Secret
metadata: {{name: study}}
stringData: {{url: '{url}'}}
---
apiVersion: v1
kind: Secret
metadata: {{name: account}}
stringData: {{username: bench, password: bench}}
---
apiVersion: v1
kind: Secret
metadata: {{name: key}}
stringData: {{key: a key for the benchmark}}
---
apiVersion: researchfleet.io/v1alpha1
kind: ResearchCollector
metadata: {{name: bench}}
spec:
  network: soulseek
  soulseek: {{server: '{server}', duplicates: drop}}
  regions:
    - name: bench
      credentialsSecretRef: {{name: account}}
      listen: {{port: {port}, obfuscatedPort: {obfuscated}}}
  privacy:
    username: siv
    keySecretRef: {{name: key}}
  {database}
"
    ))
}
