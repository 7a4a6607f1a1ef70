//! A real browser: what a page looks like after its scripts have run, and what they complained about.

use std::{
    env, fs,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use tokio::time::{Instant, sleep};

use crate::service::{LOOK_AGAIN, find_program};

const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// A first start on a busy machine takes 10 s.
const PATIENCE: Duration = Duration::from_mins(2);

/// A page after its scripts have run.
#[derive(Clone, Debug)]
pub struct Page {
    /// The document as HTML.
    pub dom: String,
    /// What the scripts and the browser wrote to the console: errors, refused requests, `console.log`.
    pub console: Vec<String>,
}

/// Opens a page (`http://`, `file://`). One that is a file may look into others.
pub async fn open(url: &str) -> Result<Page> {
    let args = [
        "--dump-dom",
        "--allow-file-access-from-files",
        "--window-size=1200,1000",
    ];
    let (dom, log) = run(&args, url).await?;
    let console = log
        .lines()
        .filter(|line| line.contains(":CONSOLE"))
        .map(|line| {
            line.split_once("] ")
                .map_or(line, |(_, text)| text)
                .to_owned()
        })
        .collect();
    Ok(Page { dom, console })
}

/// A picture of a page (PNG), in a window of this many pixels.
pub async fn screenshot(url: &str, width: u32, height: u32) -> Result<Vec<u8>> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("page.png");
    let size = format!("--window-size={width},{height}");
    let to = format!("--screenshot={}", file.display());
    let (_, log) = run(&["--hide-scrollbars", &size, &to], url).await?;
    fs::read(&file).with_context(|| format!("the browser made no picture:\n{log}"))
}

/// Runs the browser to its end; its output and its log.
async fn run(args: &[&str], url: &str) -> Result<(String, String)> {
    let dir = tempfile::tempdir()?;
    let (output, log) = (dir.path().join("output"), dir.path().join("log"));
    let mut command = Command::new(program()?);
    command
        // Its sandbox does not work for root, and not in most containers.
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ])
        .args([
            "--no-first-run",
            "--disable-extensions",
            "--disable-background-networking",
        ])
        .args(["--enable-logging=stderr", "--log-level=0"])
        // The clock of the page runs ahead until its timers and requests are done.
        .arg("--virtual-time-budget=10000")
        .arg(format!(
            "--user-data-dir={}",
            dir.path().join("profile").display()
        ))
        .args(args)
        .arg(url)
        .env("HOME", dir.path())
        .stdin(Stdio::null())
        .stdout(fs::File::create(&output)?)
        .stderr(fs::File::create(&log)?)
        // It starts processes of its own, which end with it as one group.
        .process_group(0);
    let mut browser = Browser(command.spawn().context("failed to start the browser")?);
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = browser.0.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            bail!("the browser has not ended:\n{}", fs::read_to_string(&log)?);
        }
        sleep(LOOK_AGAIN).await;
    };
    let log = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    ensure!(status.success(), "the browser ended with {status}:\n{log}");
    Ok((fs::read_to_string(&output)?, log))
}

/// The running browser; dropped, its processes are killed.
struct Browser(std::process::Child);

impl Drop for Browser {
    fn drop(&mut self) {
        // The number is its own until it was waited for.
        if matches!(self.0.try_wait(), Ok(None)) {
            let group = format!("-{}", self.0.id());
            let _ = Command::new("kill")
                .args(["-s", "KILL", "--", &group])
                .status();
            let _ = self.0.wait();
        }
    }
}

fn program() -> Result<PathBuf> {
    if let Some(program) = env::var_os("CHROMIUM") {
        return Ok(PathBuf::from(program));
    }
    find_program(&NAMES, &[])
        .context("no Chromium on the PATH: run tests/install, or set CHROMIUM to the executable")
}
