//! PostgreSQL and PgBouncer refuse to run as root. Where the tests do (in containers), these servers run as the user
//! `postgres` that Debian's packages make.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::target;

const USER: &str = "postgres";

fn is_root() -> bool {
    // The owner of the directory of a process is its effective user.
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A command that will not run as root.
pub(crate) fn command(program: impl AsRef<Path>) -> Command {
    let program = program.as_ref();
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", USER, "--regid", USER, "--clear-groups"])
        .arg(program);
    command
}

/// Gives a file or a directory with all that is in it to the user of [`command`].
pub(crate) fn give(path: &Path) -> Result<()> {
    if is_root() {
        run(Command::new("chown")
            .args(["-R", &format!("{USER}:{USER}")])
            .arg(path))?;
    }
    Ok(())
}

/// A new directory that belongs to the user of [`command`]; below the target directory if that user can get there.
pub(crate) fn dir() -> Result<TempDir> {
    static BASE: OnceLock<PathBuf> = OnceLock::new();
    let databases = target::databases_dir()?;
    let base = BASE.get_or_init(|| {
        let can_enter = command("test")
            .arg("-x")
            .arg(&databases)
            .stderr(Stdio::null())
            .status();
        if can_enter.is_ok_and(|status| status.success()) {
            databases
        } else {
            std::env::temp_dir()
        }
    });
    let dir = tempfile::Builder::new().prefix("run-").tempdir_in(base)?;
    give(dir.path())?;
    Ok(dir)
}

/// Runs a command to its end; its output, or what it says about its failure.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("failed to run {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    Ok(String::from_utf8(output.stdout)?)
}
