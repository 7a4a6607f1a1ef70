//! A control plane for people: it outlives the command that starts it, and leaves nothing behind.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use anyhow::{Context, Result, ensure};
use fleet_tests::bins;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

/// Ends what a failed test has left.
struct Dir(TempDir);

impl Drop for Dir {
    fn drop(&mut self) {
        // The programs of a test that went well have ended.
        let _ = command("down", self.0.path());
    }
}

fn command(verb: &str, dir: &Path) -> Result<Output> {
    let mut command = Command::new(bins::path("control-plane")?);
    command.arg(verb).arg("--dir").arg(dir);
    Ok(command.output()?)
}

fn run(verb: &str, dir: &Path) -> Result<String> {
    let output = command(verb, dir)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{verb}: {said}{errors}");
    Ok(said)
}

/// The ids of the processes whose command line names the directory.
fn processes(dir: &Path) -> Result<Vec<String>> {
    let dir = dir.to_str().context("not a name")?;
    let mut found = Vec::new();
    for process in fs::read_dir("/proc")? {
        let process = process?;
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains(dir) {
            found.push(process.file_name().to_string_lossy().into_owned());
        }
    }
    found.sort();
    Ok(found)
}

#[tokio::test]
async fn it_outlives_its_maker_and_ends_when_it_is_told() -> Result<()> {
    spawn_blocking(|| {
        let temporary = Dir(tempfile::Builder::new()
            .prefix("control-plane-")
            .tempdir()?);
        let dir = &temporary.0.path().canonicalize()?;
        assert!(!command("status", dir)?.status.success());

        let said = run("up", dir)?;
        let kubeconfig = dir.join("kubeconfig");
        let next = format!("export KUBECONFIG={}", kubeconfig.display());
        assert!(said.contains("is ready") && said.contains(&next), "{said}");
        let mode = fs::metadata(&kubeconfig)?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(run("status", dir)?.matches("runs as").count(), 3);
        let first = processes(dir)?;
        assert_eq!(first.len(), 3, "{first:?}");

        let kubectl = |arguments: &[&str]| {
            let mut kubectl = Command::new("kubectl");
            kubectl
                .env("KUBECONFIG", &kubeconfig)
                .args(arguments)
                .output()
        };
        let made = kubectl(&["create", "namespace", "mine"])?;
        ensure!(made.status.success(), "{made:?}");

        let said = run("up", dir)?;
        assert!(said.contains("runs already"), "{said}");
        assert_eq!(processes(dir)?, first);
        let found = kubectl(&["get", "namespace", "mine", "-o", "name"])?;
        assert_eq!(String::from_utf8(found.stdout)?, "namespace/mine\n");

        assert!(run("down", dir)?.contains("has ended"));
        assert_eq!(processes(dir)?, [""; 0]);
        assert!(run("down", dir)?.contains("No control plane"));
        Ok(())
    })
    .await?
}
