//! Where cargo has put the running test, and with it everything else that was built or is kept for tests.

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result};

/// `target/debug` for a test in `target/debug/deps`, whatever the target directory and profile are.
pub(crate) fn profile_dir() -> Result<PathBuf> {
    let test = env::current_exe().context("the path of the running test is not known")?;
    let mut dir = test
        .parent()
        .with_context(|| format!("{} has no directory", test.display()))?;
    if dir.ends_with("deps") {
        dir = dir.parent().unwrap_or(dir);
    }
    Ok(dir.to_owned())
}

/// The directory above [`profile_dir`].
pub(crate) fn target_dir() -> Result<PathBuf> {
    let profile = profile_dir()?;
    let target = profile
        .parent()
        .with_context(|| format!("{} has no parent directory", profile.display()))?;
    Ok(target.to_owned())
}

/// What the test clients need: the Python environment and, while they run, their homes.
pub(crate) fn peers_dir() -> Result<PathBuf> {
    subdir("peers")
}

/// The freshly initialised database directory that others are copied from and, while they run, those of the tests.
pub(crate) fn databases_dir() -> Result<PathBuf> {
    subdir("databases")
}

/// Programs that were built for the tests.
pub(crate) fn tools_dir() -> Result<PathBuf> {
    subdir("tools")
}

fn subdir(name: &str) -> Result<PathBuf> {
    let dir = target_dir()?.join(name);
    fs::create_dir_all(&dir).with_context(|| format!("failed to create {}", dir.display()))?;
    Ok(dir)
}
