//! The programs of the control plane: those that are installed if they are of this version, else built from
//! `peers/kubernetes/go.mod`.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{service::find_program, target, unprivileged};

/// Of these versions; a later correction of etcd does as well. `build` gets them from `peers/kubernetes/go.mod`.
const ETCD: (&str, &str) = ("etcd", "3.6.");
const API_SERVER: (&str, &str) = ("kube-apiserver", "v1.36.3");
const CONTROLLERS: (&str, &str) = ("kube-controller-manager", "v1.36.3");

const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/kubernetes");

/// Where the executables are.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) etcd: PathBuf,
    pub(super) api_server: PathBuf,
    pub(super) controllers: PathBuf,
}

impl Programs {
    /// Builds what is not installed. The first call on a machine blocks until that is done, also when another process
    /// does it.
    pub(super) fn find() -> Result<Self> {
        let find = |(name, version)| installed(name, version).map_or_else(|| built(name), Ok);
        Ok(Self {
            etcd: find(ETCD)?,
            api_server: find(API_SERVER)?,
            controllers: find(CONTROLLERS)?,
        })
    }
}

fn installed(name: &str, version: &str) -> Option<PathBuf> {
    let assets = env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let program = find_program(&[name], assets.as_slice())?;
    let output = Command::new(&program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words = text.split_whitespace();
    words
        .any(|word| word.starts_with(version))
        .then_some(program)
}

fn built(name: &str) -> Result<PathBuf> {
    let tools = target::tools_dir()?;
    let lock =
        File::create(tools.join("kubernetes.lock")).context("failed to create the lock file")?;
    lock.lock().context("failed to lock the tools")?;
    let dir = tools.join(format!("kubernetes-{}", API_SERVER.1));
    if !dir.is_dir() {
        // Renamed when it is complete.
        let new = tempfile::Builder::new()
            .prefix("kubernetes-")
            .tempdir_in(&tools)?;
        build(new.path())?;
        fs::rename(new.keep(), &dir)?;
    }
    Ok(dir.join(name))
}

fn build(dir: &Path) -> Result<()> {
    let go = find_program(&["go"], &[PathBuf::from("/usr/local/go/bin")]).context(
        "the tests build a Kubernetes control plane: install Go 1.26 or newer (https://go.dev/dl)",
    )?;
    // The API server tells its version to clients; a plain build has none.
    let (_, version) = API_SERVER;
    let flags = format!("-s -w -X k8s.io/component-base/version.gitVersion={version}");
    unprivileged::run(
        Command::new(go)
            .args(["build", "-trimpath", "-buildvcs=false", "-mod=readonly"])
            .args(["-ldflags", &flags])
            .arg("-o")
            .arg(dir)
            .arg("tool")
            .current_dir(MODULE)
            .env("CGO_ENABLED", "0")
            .env_remove("GOOS")
            .env_remove("GOARCH"),
    )
    .context("failed to build Kubernetes; it needs a Go module proxy, the first time only")?;
    // go names a program after its package.
    fs::rename(dir.join("server"), dir.join("etcd"))?;
    Ok(())
}
