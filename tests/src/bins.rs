//! The executables of this workspace, as a test runs them: built first, since cargo builds for a test only those
//! of its own package.

use std::{env, ffi::OsString, path::PathBuf, process::Command, sync::OnceLock};

use anyhow::{Context, Result, anyhow, ensure};

use crate::target;

/// The path of an executable of this workspace. The first call in a process builds them all, in the profile of
/// the running test; it blocks until that is done.
pub fn path(name: &str) -> Result<PathBuf> {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    BUILT
        .get_or_init(|| build().map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(|error| anyhow!(error))?;

    let path = target::profile_dir()?
        .join(name)
        .with_extension(env::consts::EXE_EXTENSION);
    ensure!(
        path.is_file(),
        "no executable {} in this workspace: {} is not there",
        name,
        path.display()
    );
    Ok(path)
}

fn build() -> Result<()> {
    let profile_dir = target::profile_dir()?;
    // cargo names the directory after the profile, with one exception.
    let profile = match profile_dir.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    // What the cargo that runs this test says of its package: build scripts that look at it would run again, there and
    // back, and everything above them be built anew.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        }) {
            cargo.env_remove(name);
        }
    }
    let output = cargo
        .args(["build", "--workspace", "--bins", "--profile", profile])
        .arg("--target-dir")
        .arg(target::target_dir()?)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .context("failed to run cargo")?;
    ensure!(
        output.status.success(),
        "cargo build failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
