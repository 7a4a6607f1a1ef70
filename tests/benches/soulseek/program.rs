//! What a program of ours uses from its start to its end.

use anyhow::{Context, Result, ensure};
use tokio::{
    process::Command,
    time::{Duration, Instant, sleep},
};

use crate::process;

/// What the program used in its last moments is not seen.
const POLL: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    /// MB.
    pub(crate) peak: f64,
}

/// Runs a program to its good end.
pub(crate) async fn run(command: &mut Command) -> Result<Used> {
    let started = Instant::now();
    let mut child = command.kill_on_drop(true).spawn()?;
    let pid = child.id().context("the program has ended at once")?;
    let mut used = Used {
        seconds: 0.0,
        cpu_seconds: 0.0,
        peak: 0.0,
    };
    let ended = loop {
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        // A process that has ended has no memory, and a reading that falls into its end fails.
        if let (Ok(memory), Ok(cpu)) = (process::memory(pid), process::cpu_seconds(pid)) {
            used.peak = memory.peak;
            used.cpu_seconds = cpu;
        }
        sleep(POLL).await;
    };
    ensure!(ended.success(), "{command:?}: {ended}");
    used.seconds = started.elapsed().as_secs_f64();
    Ok(used)
}
