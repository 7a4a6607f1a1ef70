//! Python environments with what `peers/*requirements.txt` name, made once and kept under the target directory.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::target;

/// What aioslsk and numpy ask for.
const OLDEST_PYTHON: &str = "3.11";

struct Environment {
    /// The directory.
    name: &'static str,
    file: &'static str,
    requirements: &'static str,
}

const PEERS: Environment = Environment {
    name: "venv",
    file: concat!(env!("CARGO_MANIFEST_DIR"), "/peers/requirements.txt"),
    requirements: include_str!("../peers/requirements.txt"),
};

const ARCHIVE: Environment = Environment {
    name: "archive-venv",
    file: concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/peers/archive-requirements.txt"
    ),
    requirements: include_str!("../peers/archive-requirements.txt"),
};

const CLOUD_INIT: Environment = Environment {
    name: "cloud-init-venv",
    file: concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/peers/cloud-init-requirements.txt"
    ),
    requirements: include_str!("../peers/cloud-init-requirements.txt"),
};

const HCLOUD: Environment = Environment {
    name: "hcloud-venv",
    file: concat!(env!("CARGO_MANIFEST_DIR"), "/peers/hcloud-requirements.txt"),
    requirements: include_str!("../peers/hcloud-requirements.txt"),
};

/// The Python interpreter with the Soulseek clients. The first call on a machine installs them; it blocks until that is
/// done, also when another process does it.
pub fn python() -> Result<PathBuf> {
    interpreter(&PEERS)
}

/// The same with `DuckDB` and pandas.
pub fn archive_python() -> Result<PathBuf> {
    interpreter(&ARCHIVE)
}

/// The same with what cloud-init imports, and `shellcheck` beside the interpreter.
pub fn cloud_init_python() -> Result<PathBuf> {
    interpreter(&CLOUD_INIT)
}

/// The same with the SDK of Hetzner Cloud.
pub fn hcloud_python() -> Result<PathBuf> {
    interpreter(&HCLOUD)
}

fn interpreter(environment: &Environment) -> Result<PathBuf> {
    let Environment {
        name,
        file,
        requirements,
    } = environment;
    let peers = target::peers_dir()?;
    let lock = File::create(peers.join(format!("{name}.lock")))
        .context("failed to create the lock file")?;
    lock.lock().context("failed to lock the environment")?;

    let venv = peers.join(name);
    let python = venv.join("bin").join("python");
    // Written last, so that an environment with the stamp is complete.
    let stamp = venv.join("requirements.txt");
    let is_current = python.exists()
        && fs::read_to_string(&stamp).is_ok_and(|installed| installed == *requirements);
    if !is_current {
        install(&venv, &python, file)?;
        fs::write(&stamp, requirements)
            .with_context(|| format!("failed to write {}", stamp.display()))?;
    }
    Ok(python)
}

fn install(venv: &Path, python: &Path, requirements: &str) -> Result<()> {
    check_python()?;
    if venv.exists() {
        fs::remove_dir_all(venv).with_context(|| format!("failed to remove {}", venv.display()))?;
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(venv)).with_context(|| {
        "failed to make a Python environment for the tests; \
         install Python's venv and pip modules (on Debian and Ubuntu: apt install python3-venv python3-pip)"
    })?;
    run(Command::new(python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"])
        .args(["--no-deps", "--require-hashes", "--only-binary=:all:", "-r", requirements]))
    .context("failed to install what the tests need with pip; it needs a Python package index, the first time only")
}

fn check_python() -> Result<()> {
    let advice = format!(
        "the tests run programs written in Python: install Python {OLDEST_PYTHON} or newer"
    );
    let Ok(output) = Command::new("python3")
        .args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
        .output()
    else {
        bail!("python3 is not on the PATH; {advice}");
    };
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    ensure!(
        minor(&version) >= minor(OLDEST_PYTHON),
        "python3 is Python {version:?}, which is too old; {advice}"
    );
    Ok(())
}

/// The 11 in 3.11.
fn minor(version: &str) -> Option<u32> {
    version.strip_prefix("3.")?.parse().ok()
}

fn run(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("failed to run {}", command.get_program().display()))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_versions_as_numbers() {
        assert!(minor("3.9") < minor(OLDEST_PYTHON));
        assert!(minor("3.14") > minor(OLDEST_PYTHON));
        assert!(minor("") < minor(OLDEST_PYTHON));
    }

    #[test]
    fn every_requirement_has_a_version_and_a_hash() {
        for environment in [PEERS, ARCHIVE, CLOUD_INIT, HCLOUD] {
            let packages = environment.requirements.replace("\\\n", "");
            let packages = packages
                .lines()
                .filter(|line| !line.trim_start().starts_with('#'));
            for package in packages {
                assert!(
                    package.contains("==") && package.contains("--hash=sha256:"),
                    "{package}"
                );
            }
        }
    }
}
