//! Programs from Debian's packages that must not be installed on the machine of the tests: they would start with it.
//! They are unpacked once and kept under the target directory.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::target;

/// cloud-init, whose modules Python finds in [`python_path`](Unpacked::python_path).
pub fn cloud_init() -> Result<Unpacked> {
    unpacked("cloud-init", &["cloud-init"])
}

/// The server of OpenSSH.
pub fn sshd() -> Result<Unpacked> {
    unpacked("sshd", &["openssh-server", "libwrap0"])
}

/// The files of some packages, below a directory of their own.
#[derive(Debug)]
pub struct Unpacked(PathBuf);

impl Unpacked {
    /// A file of the packages.
    pub fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// Where Python finds the packages' modules.
    pub fn python_path(&self) -> PathBuf {
        self.path("usr/lib/python3/dist-packages")
    }

    /// The directories with the packages' shared libraries.
    pub fn libraries(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for lib in ["lib", "usr/lib"].map(|dir| self.path(dir)) {
            if lib.is_dir() {
                for dir in fs::read_dir(lib)? {
                    found.push(dir?.path());
                }
            }
        }
        found.retain(|dir| dir.to_string_lossy().ends_with("-linux-gnu"));
        Ok(found)
    }
}

fn unpacked(name: &str, packages: &[&str]) -> Result<Unpacked> {
    let tools = target::tools_dir()?;
    let lock = File::create(tools.join(format!("{name}.lock")))
        .context("failed to create the lock file")?;
    lock.lock().context("failed to lock the tools")?;

    let dir = tools.join(name);
    if !dir.is_dir() {
        let new = tempfile::Builder::new().prefix(name).tempdir_in(&tools)?;
        download(new.path(), packages)?;
        let root = new.path().join("root");
        for file in fs::read_dir(new.path())? {
            let file = file?.path();
            if file.extension().is_some_and(|extension| extension == "deb") {
                run(Command::new("dpkg-deb").arg("-x").args([&file, &root]))?;
            }
        }
        fs::rename(root, &dir)?;
    }
    Ok(Unpacked(dir))
}

fn download(dir: &Path, packages: &[&str]) -> Result<()> {
    let mut download = Command::new("apt-get");
    download
        .args(["-qq", "download"])
        .args(packages)
        .current_dir(dir);
    if run(&mut download).is_err() {
        // A new machine has no lists of packages yet.
        run(Command::new("apt-get").args(["-qq", "update"]))?;
        run(&mut download)?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let Ok(output) = command.output() else {
        bail!(
            "{} is not there: these tests take programs from packages, on Debian and Ubuntu",
            command.get_program().display()
        );
    };
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
