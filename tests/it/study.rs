//! What the tests of database and archives share: a scripted study, and the moments at which it can be interrupted.

use std::{
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use fleet_tests::{
    bins,
    postgres::Postgres,
    wire::{Action, Proxy, Side},
};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// Far more than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// Cases that run side by side.
pub(crate) const AT_ONCE: usize = 4;

/// The records of a scripted collector.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script<'a> {
    pub(crate) client: &'a str,
    pub(crate) from: &'a str,
    pub(crate) step_ms: u64,
    pub(crate) records: u64,
    pub(crate) pause_ms: u64,
}

impl Script<'_> {
    /// A minute a record, from the end of September 2026 on.
    pub(crate) fn new(client: &str, records: u64) -> Script<'_> {
        Script {
            client,
            from: "2026-09-29T12:00:00Z",
            step_ms: 60_000,
            records,
            pause_ms: 0,
        }
    }
}

/// A collector whose records are scripted. Ends when the database has all of them.
pub(crate) fn collector(script: Script<'_>, dir: &Path, url: &str) -> Result<Child> {
    let child = Command::new(bins::path("scripted_collector")?)
        .args(["--client", script.client, "--from", script.from])
        .args(["--step-ms", &script.step_ms.to_string()])
        .args(["--pause-ms", &script.pause_ms.to_string()])
        .args(["--records", &script.records.to_string()])
        .arg("--data-dir")
        .arg(dir)
        .env("DATABASE_URL", url)
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}

/// Waits for a process that must succeed.
pub(crate) async fn finish(mut child: Child) -> Result<()> {
    let ended = timeout(PATIENCE, child.wait())
        .await
        .context("the process does not end")??;
    ensure!(ended.success(), "the process ended with {ended}");
    Ok(())
}

/// `fleetd` with a database.
pub(crate) fn fleetd(url: &str, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(bins::path("fleetd")?);
    command
        .args(arguments)
        .env("DATABASE_URL", url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    Ok(command)
}

/// Runs a program that must succeed.
pub(crate) async fn succeed(mut command: Command) -> Result<Output> {
    let output = timeout(PATIENCE, command.output())
        .await
        .context("the program does not end")??;
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}

/// A new database with tables.
pub(crate) async fn migrated(server: &Postgres, name: &str) -> Result<String> {
    let url = server.create_database(name).await?;
    succeed(fleetd(&url, &["migrate"])?).await?;
    Ok(url)
}

/// The numbers of the messages that do something (others only prepare or describe), by what a proxy has seen.
pub(crate) fn moments(kinds: &str) -> Vec<usize> {
    let matters = |kind: char| "^QEdcX".contains(kind);
    let moments = kinds.chars().enumerate();
    moments
        .filter(|(_, kind)| matters(*kind))
        .map(|(index, _)| index + 1)
        .collect()
}

/// Starts a program behind a proxy and kills it at a message. True if it came that far.
pub(crate) async fn kill_at(
    server: &Postgres,
    number: usize,
    side: Side,
    start: impl Fn(&Proxy) -> Result<Child>,
) -> Result<bool> {
    let proxy = Proxy::start(server.address()).await?;
    let mut step = proxy.at(number, side, Action::Notify);
    let mut child = start(&proxy)?;
    tokio::select! {
        reached = step.reached() => reached?,
        ended = child.wait() => {
            ensure!(ended?.success(), "ended before message {number}");
            return Ok(false);
        }
    }
    child.kill().await?;
    Ok(true)
}
