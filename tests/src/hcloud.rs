//! Programs that take the simulated cloud through everything with the official SDKs of Hetzner Cloud.

use std::{fs::File, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use fleet_sim::hetzner::Api;
use tokio::{process, task::spawn_blocking, time::timeout};

use crate::{service::find_program, target, unprivileged, venv};

const GO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/hcloud-go");
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/hcloud-python/main.py");

/// May only read.
pub const READ_TOKEN: &str = "reader";

/// Far more than the programs take: a busy machine must not fail a test.
const PATIENCE: Duration = Duration::from_mins(3);

/// An SDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sdk {
    /// hcloud-go, which the command line tool and the Terraform provider use, too.
    Go,
    /// hcloud-python.
    Python,
}

/// What a program wrote: a line a check.
pub async fn checks(sdk: Sdk, api: &Api, token: &str) -> Result<String> {
    let command = spawn_blocking(move || command(sdk)).await??;
    let mut command = process::Command::from(command);
    command
        .args(["--endpoint", &api.endpoint()])
        .args(["--token", token])
        .args(["--read-token", READ_TOKEN])
        .args(["--control", &format!("http://{}/sim", api.address())])
        .kill_on_drop(true);
    let output = timeout(PATIENCE, command.output())
        .await
        .context("the program hangs")??;
    ensure!(
        output.status.success(),
        "{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// The program, ready to run. The first call on a machine builds or installs it.
fn command(sdk: Sdk) -> Result<Command> {
    if sdk == Sdk::Go {
        return Ok(Command::new(build()?));
    }
    let mut python = Command::new(venv::hcloud_python()?);
    // `-B`: nothing is written beside the program.
    python.args(["-B", PYTHON]);
    Ok(python)
}

fn build() -> Result<PathBuf> {
    let tools = target::tools_dir()?;
    let lock =
        File::create(tools.join("hcloud-go.lock")).context("failed to create the lock file")?;
    lock.lock().context("failed to lock the tools")?;
    let program = tools.join("hcloud-go");
    let go = find_program(&["go"], &[PathBuf::from("/usr/local/go/bin")]).context(
        "the tests build a program with the Go SDK: install Go 1.25 or newer (https://go.dev/dl)",
    )?;
    // Does nothing where nothing has changed.
    unprivileged::run(
        Command::new(go)
            .current_dir(GO)
            .args(["build", "-mod=readonly", "-o"])
            .arg(&program)
            .env("CGO_ENABLED", "0")
            .env_remove("GOOS")
            .env_remove("GOARCH"),
    )
    .context("failed to build the program with the Go SDK; it needs a Go module proxy, the first time only")?;
    Ok(program)
}
