//! Terraform in a copy of our module, with a provider that only remembers (`terraform/hcloud`).

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{service::find_program, target, unprivileged};

/// The repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What the user would have set for Terraform.
const SETTINGS: &str = "terraformrc";

/// A copy of `terraform/` and `cloud-init/`, so that nothing is written beside the originals and tests can change it.
#[derive(Debug)]
pub struct Workspace {
    terraform: PathBuf,
    dir: TempDir,
}

impl Workspace {
    /// A copy as it is.
    pub fn new() -> Result<Self> {
        let terraform = find_program(&["terraform", "tofu"], &[]).context(
            "the tests fill in the templates with Terraform, too: install terraform or tofu, 1.9 or newer",
        )?;
        let dir = tempfile::Builder::new()
            .prefix("terraform-")
            .tempdir_in(target::target_dir()?)?;
        for name in ["terraform", "cloud-init"] {
            copy(&Path::new(ROOT).join(name), &dir.path().join(name))?;
        }
        fs::write(dir.path().join(SETTINGS), "")?;
        Ok(Self { terraform, dir })
    }

    /// A copy in which `hetznercloud/hcloud` is the provider that only remembers. The first call on a machine builds
    /// it, in a minute.
    pub fn with_provider() -> Result<Self> {
        let workspace = Self::new()?;
        let provider = provider()?;
        let settings = format!(
            "provider_installation {{\n  dev_overrides {{ \"hetznercloud/hcloud\" = {} }}\n}}\n",
            json!(provider)
        );
        fs::write(workspace.path(SETTINGS), settings)?;
        succeed(&workspace.run(".", &["get"])?)?;
        Ok(workspace)
    }

    /// A file of the copy.
    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Runs `terraform` in a directory of the copy. It reads no settings of the user, and asks nothing.
    pub fn run<A: AsRef<OsStr>>(&self, dir: &str, arguments: &[A]) -> Result<Output> {
        let mut command = Command::new(&self.terraform);
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("TF_")) {
                command.env_remove(name);
            }
        }
        Ok(command
            .args(arguments)
            .env("TF_CLI_CONFIG_FILE", self.path(SETTINGS))
            .env("TF_IN_AUTOMATION", "true")
            .env("TF_INPUT", "false")
            .env("CHECKPOINT_DISABLE", "true")
            .current_dir(self.path("terraform").join(dir))
            .output()?)
    }

    /// Applies the module `user-data`: its text and its digest.
    pub fn user_data(&self, variables: &Value) -> Result<(String, String)> {
        let module = "modules/user-data";
        let file = self.path("variables.json");
        fs::write(&file, variables.to_string())?;
        let file = format!("-var-file={}", file.display());
        succeed(&self.run(module, &["apply", "-auto-approve", "-no-color", &file])?)?;
        let outputs = succeed(&self.run(module, &["output", "-json"])?)?;
        let outputs: Value = serde_json::from_str(&outputs)?;
        let output = |name: &str| -> Result<String> {
            let value = outputs[name]["value"].as_str();
            Ok(value.with_context(|| format!("no {name}"))?.to_owned())
        };
        Ok((output("text")?, output("digest")?))
    }
}

/// Standard output of a command that has to succeed.
pub fn succeed(output: &Output) -> Result<String> {
    ensure!(
        output.status.success(),
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout.clone())?)
}

/// The directory with the provider.
fn provider() -> Result<PathBuf> {
    let tools = target::tools_dir()?;
    let lock = File::create(tools.join("hcloud.lock")).context("failed to create the lock file")?;
    lock.lock().context("failed to lock the tools")?;

    let dir = tools.join("hcloud");
    let go = find_program(&["go"], &[PathBuf::from("/usr/local/go/bin")]).context(
        "the tests build a provider for Terraform: install Go 1.25 or newer (https://go.dev/dl)",
    )?;
    unprivileged::run(
        Command::new(go)
            .args(["build", "-trimpath", "-o"])
            .arg(dir.join("terraform-provider-hcloud"))
            .arg(".")
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/terraform/hcloud"))
            .env("CGO_ENABLED", "0"),
    )
    .context("failed to build the provider; it needs a Go module proxy, the first time only")?;
    Ok(dir)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        // What somebody's own runs have left there.
        if name.to_string_lossy().starts_with(".terraform")
            || name.to_string_lossy().contains(".tfstate")
        {
            continue;
        }
        let to = to.join(name);
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
