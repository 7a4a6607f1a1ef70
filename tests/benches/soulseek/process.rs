//! What a process has used, from `/proc`.

use std::fs;

use anyhow::{Context, Result};

/// `/proc/PID/stat` counts in hundredths of a second, whatever the kernel's own clock is.
const TICKS_A_SECOND: f64 = 100.0;
const NANOS_A_SECOND: f64 = 1e9;

/// Memory of a process, in MB (10⁶ bytes).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) resident: f64,
    /// The most that was resident at any time.
    pub(crate) peak: f64,
}

/// CPU seconds of all threads of a process, in user and kernel mode.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    // The name stands in brackets and may hold blanks.
    let (_, fields) = stat.rsplit_once(')').context("no name in the stat file")?;
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<f64>)
        .sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS_A_SECOND)
}

/// CPU seconds of the thread that asks.
pub(crate) fn own_cpu_seconds() -> Result<f64> {
    let stat = read("/proc/thread-self/schedstat")?;
    let nanos = stat.split_whitespace().next().context("an empty file")?;
    Ok(nanos.parse::<f64>()? / NANOS_A_SECOND)
}

pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let status = read(&format!("/proc/{pid}/status"))?;
    let megabytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kibibytes = kibibytes.with_context(|| format!("no {name} of process {pid}"))?;
        anyhow::Ok(kibibytes.trim().parse::<f64>()? * 1024.0 / 1e6)
    };
    Ok(Memory {
        resident: megabytes("VmRSS:")?,
        peak: megabytes("VmHWM:")?,
    })
}

/// The machine in a line.
pub(crate) fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown");
    format!("{cores} cores, {model}, load {load} at the start")
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path)
        .with_context(|| format!("failed to read {path}; this benchmark needs Linux"))
}
