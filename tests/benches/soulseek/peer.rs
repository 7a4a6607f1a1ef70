//! The same work done by aioslsk, in a Python process.

use std::{net::SocketAddr, path::Path, process::Stdio};

use anyhow::{Context, Result, bail, ensure};
use fleet_tests::{ports, venv};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{ChildStdout, Command},
    task::spawn_blocking,
};

use crate::{
    corpus::{self, Way},
    feeder::Feeder,
};

/// What the decoder made of a file of frames.
#[derive(Debug, Deserialize)]
pub(crate) struct Decoded {
    pub(crate) messages: u64,
    pub(crate) token_sum: u64,
    pub(crate) characters: u64,
    /// Of the best round.
    pub(crate) cpu_seconds: f64,
}

/// What the client took from its parent.
#[derive(Debug, Deserialize)]
pub(crate) struct Received {
    pub(crate) searches: u32,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
}

pub(crate) async fn decode(frames: &Path, rounds: u32) -> Result<Decoded> {
    let output = python("aioslsk_decode.py")
        .await?
        .arg(frames)
        .arg(rounds.to_string())
        .stderr(Stdio::inherit())
        .output()
        .await?;
    ensure!(output.status.success(), "the decoder of aioslsk failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// From the socket to a handler that only counts: nothing is stored.
pub(crate) async fn receive(count: u32) -> Result<Received> {
    let feeder = Feeder::start().await?;
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut client = client(feeder.address()?, count, home.path())
        .await?
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("failed to start aioslsk")?;
    let output = client.stdout.take().context("aioslsk has no output")?;
    let mut lines = BufReader::new(output).lines();
    let frames = corpus::frames(Way::Parent, 0, count);

    let mut fed = feeder.accept(Way::Parent).await?;
    let first = line(&mut lines).await?;
    ensure!(first == "ready", "aioslsk says {first:?}");
    fed.send(&frames).await?;
    let received: Received = serde_json::from_str(&line(&mut lines).await?)?;
    client.kill().await?;
    ensure!(
        received.searches == count,
        "aioslsk has counted {} searches of {count}",
        received.searches
    );
    Ok(received)
}

async fn client(server: SocketAddr, count: u32, home: &Path) -> Result<Command> {
    let mut command = python("aioslsk_receive.py").await?;
    command
        .args(["--server", &server.to_string()])
        .args(["--listen-port", &ports::free_port()?.to_string()])
        .args(["--count", &count.to_string()])
        .arg("--home")
        .arg(home);
    Ok(command)
}

async fn line(lines: &mut tokio::io::Lines<BufReader<ChildStdout>>) -> Result<String> {
    match lines.next_line().await? {
        Some(line) => Ok(line),
        None => bail!("aioslsk has ended; its last words are above"),
    }
}

async fn python(script: &str) -> Result<Command> {
    let mut command = Command::new(spawn_blocking(venv::python).await??);
    command.arg(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("benches")
            .join(script),
    );
    // Nothing is written beside the sources.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}
