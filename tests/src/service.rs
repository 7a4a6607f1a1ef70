//! A server that a test has started: waited for, ended by its id, and its log at hand when it fails.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{self, Child, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

/// How long a test waits for a server. Far more than it takes: a busy machine must not fail a test.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How much of a log a failed test shows.
const LOG_LINES: usize = 40;

/// A running server process. Dropping it kills the process and waits until it is gone.
#[derive(Debug)]
pub(crate) struct Service {
    name: &'static str,
    process: Child,
    log: PathBuf,
    /// Whether it goes on when this is dropped.
    left: bool,
}

impl Service {
    /// Starts a server that writes its log to this file, after what is there already.
    pub(crate) fn start(
        name: &'static str,
        mut command: process::Command,
        log: &Path,
    ) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        let process = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("failed to start {name}: {command:?}"))?;
        Ok(Self {
            name,
            process,
            log: log.to_owned(),
            left: false,
        })
    }

    /// The same in a session of its own, so that neither a terminal nor the death of its parents ends it.
    pub(crate) fn start_apart(
        name: &'static str,
        command: &process::Command,
        log: &Path,
    ) -> Result<Self> {
        // Replaces itself with the program, which keeps the id.
        let mut apart = process::Command::new("setsid");
        apart.arg(command.get_program()).args(command.get_args());
        Self::start(name, apart, log)
    }

    /// Lets the process go on without this.
    pub(crate) fn leave(mut self) {
        self.left = true;
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// How the process ended, if it has.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process.try_wait()
    }

    /// Waits until the server is ready; an error with its log if it ends before, or is never ready.
    pub(crate) async fn wait_until(
        &mut self,
        mut ready: impl AsyncFnMut(u32) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !ready(self.id()).await {
            if let Some(status) = self.ended()? {
                bail!("{} ended with {status}:\n{}", self.name, self.last_log());
            }
            ensure!(
                Instant::now() < deadline,
                "{} is not ready after {PATIENCE:?}:\n{}",
                self.name,
                self.last_log()
            );
            sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Waits until the server takes connections on this port of loopback.
    pub(crate) async fn wait_until_listening(&mut self, port: u16) -> Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        self.wait_until(async |_| {
            let attempt = timeout(Duration::from_secs(1), TcpStream::connect(address));
            matches!(attempt.await, Ok(Ok(_)))
        })
        .await
    }

    /// Sends a signal (`INT`, `QUIT`, ...) and waits until the process has ended.
    pub(crate) async fn end_with(&mut self, signal: &str) -> Result<ExitStatus> {
        self.signal(signal)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            ensure!(
                Instant::now() < deadline,
                "{} goes on after {signal}",
                self.name
            );
            sleep(LOOK_AGAIN).await;
        }
    }

    /// The same for a drop, which cannot await: gives up after a second, and the process is killed.
    pub(crate) fn end_now_with(&mut self, signal: &str) {
        if self.signal(signal).is_err() {
            return;
        }
        for _ in 0..50 {
            if !matches!(self.ended(), Ok(None)) {
                return;
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn signal(&mut self, signal: &str) -> Result<()> {
        // Its number may belong to somebody else once it was waited for.
        ensure!(self.ended()?.is_none(), "{} has ended already", self.name);
        let status = process::Command::new("kill")
            .args(["-s", signal, &self.id().to_string()])
            .status()?;
        ensure!(status.success(), "cannot signal {}", self.name);
        Ok(())
    }

    pub(crate) fn last_log(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        // Fails only for a process that has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The first of these programs that is on the PATH, or in `extra` directories.
pub(crate) fn find_program(names: &[&str], extra: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> = std::env::split_paths(&path)
        .chain(extra.iter().cloned())
        .collect();
    names
        .iter()
        .flat_map(|name| dirs.iter().map(move |dir| dir.join(name)))
        .find(|program| program.is_file())
}
