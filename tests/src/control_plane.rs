//! A control plane that goes on when its maker has ended, for people and for programs that are tried by hand: each
//! program runs in a session of its own, and a file in its directory has its id.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use http::Request;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::time::{Instant, sleep};

use crate::{
    kube::{Kubernetes, pid_file},
    target,
};

/// In the order in which they end.
const PROGRAMS: [&str; 3] = ["kube-controller-manager", "kube-apiserver", "etcd"];

/// How long a program may take to end before it is killed.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What [`up`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Up {
    /// Begun a new one.
    Started,
    /// Nothing: it runs.
    Running,
}

/// Where it is if nobody says otherwise.
pub fn usual_dir() -> Result<PathBuf> {
    Ok(target::target_dir()?.join("control-plane"))
}

/// The kubeconfig of its administrator.
pub fn kubeconfig(dir: &Path) -> PathBuf {
    dir.join("kubeconfig")
}

/// Starts a control plane in this directory, empty, unless one runs there, and waits until it is ready. What is left
/// of an earlier one is ended and removed.
pub async fn up(dir: &Path) -> Result<Up> {
    let (dir, _lock) = lock(dir)?;
    if status_of(&dir).iter().all(|(_, id)| id.is_some()) {
        wait_until_ready(&dir).await?;
        return Ok(Up::Running);
    }
    end_all(&dir).await?;
    remove_old(&dir)?;
    Kubernetes::start_apart(&dir).await?.leave();
    Ok(Up::Started)
}

/// Ends the programs and waits until they have ended; those that ran.
pub async fn down(dir: &Path) -> Result<Vec<&'static str>> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let (dir, _lock) = lock(dir)?;
    end_all(&dir).await
}

/// Each program with its id, if it runs.
pub fn status(dir: &Path) -> Vec<(&'static str, Option<u32>)> {
    // A directory that is not there has nothing that runs.
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    status_of(&dir)
}

fn status_of(dir: &Path) -> Vec<(&'static str, Option<u32>)> {
    PROGRAMS.map(|name| (name, running(dir, name))).to_vec()
}

/// The directory, with only one at a time that starts or ends something there.
fn lock(dir: &Path) -> Result<(PathBuf, File)> {
    let context = || format!("failed to use {}", dir.display());
    fs::create_dir_all(dir).with_context(context)?;
    let dir = dir.canonicalize().with_context(context)?;
    let lock = File::create(dir.join("lock")).with_context(context)?;
    lock.lock().with_context(context)?;
    Ok((dir, lock))
}

/// The id of a program that runs, and is ours: the number in an old file may be somebody else's by now.
fn running(dir: &Path, program: &str) -> Option<u32> {
    let id = fs::read_to_string(pid_file(dir, program)).ok()?;
    let id: u32 = id.trim().parse().ok()?;
    // Empty for one that has ended and was not waited for.
    let command = fs::read(format!("/proc/{id}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command);
    let ours = command.contains(program) && command.contains(dir.to_str()?);
    ours.then_some(id)
}

async fn end_all(dir: &Path) -> Result<Vec<&'static str>> {
    let mut ended = Vec::new();
    for name in PROGRAMS {
        if let Some(id) = running(dir, name) {
            if !end(dir, name, id, "TERM").await? {
                let killed = end(dir, name, id, "KILL").await?;
                ensure!(killed, "{name} ({id}) cannot be ended");
            }
            ended.push(name);
        }
        remove(&pid_file(dir, name), |file| fs::remove_file(file))?;
    }
    Ok(ended)
}

/// Whether it has ended.
async fn end(dir: &Path, program: &str, id: u32, signal: &str) -> Result<bool> {
    // Fails only for a process that has ended.
    Command::new("kill")
        .args(["-s", signal, &id.to_string()])
        .status()?;
    let deadline = Instant::now() + PATIENCE;
    while running(dir, program) == Some(id) {
        if Instant::now() > deadline {
            return Ok(false);
        }
        sleep(LOOK_AGAIN).await;
    }
    Ok(true)
}

/// Only what is ours, whatever directory it is.
fn remove_old(dir: &Path) -> Result<()> {
    for name in ["etcd", "pki"] {
        remove(&dir.join(name), |dir| fs::remove_dir_all(dir))?;
    }
    for name in PROGRAMS {
        remove(&dir.join(format!("{name}.log")), |file| {
            fs::remove_file(file)
        })?;
    }
    remove(&kubeconfig(dir), |file| fs::remove_file(file))
}

fn remove(path: &Path, how: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<()> {
    match how(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

async fn wait_until_ready(dir: &Path) -> Result<()> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig(dir))?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    let client = Client::try_from(config)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ready = Request::get("/readyz").body(Vec::new())?;
        match client.request_text(ready).await {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => {
                return Err(error).context("the API server runs, and is not ready");
            }
            Err(_) => sleep(LOOK_AGAIN).await,
        }
    }
}
