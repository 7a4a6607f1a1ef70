//! A machine that boots for the first time: a directory with what cloud-init has written there and the system's own
//! programs, entered in namespaces of its own, as root of those and of nothing else. What would reach beyond it
//! (systemd, the kernel, the network) is played by the scripts in `machine/`.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{debian, service::find_program, target};

/// The scripts.
const PLAYED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/machine");

/// A machine. Its files are gone when it is dropped.
#[derive(Debug)]
pub struct Machine(TempDir);

impl Machine {
    /// A machine with this much memory, the system's programs, and a server of OpenSSH.
    pub fn new(memory_kb: u64) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("machine-")
            .tempdir_in(target::target_dir()?)?;
        let machine = Self(dir);
        for mount in ["usr", "dev", "proc", "run", "tmp", "root", "etc/ssh"] {
            fs::create_dir_all(machine.path(mount))?;
        }
        for merged in ["bin", "sbin", "lib", "lib64"] {
            symlink(Path::new("usr").join(merged), machine.path(merged))?;
        }
        for file in ["group", "ld.so.cache", "nsswitch.conf"] {
            fs::copy(Path::new("/etc").join(file), machine.path("etc").join(file))?;
        }
        run(Command::new("cp")
            .args(["-R", "/etc/alternatives"])
            .arg(machine.path("etc")))?;
        machine.write(
            "meminfo",
            &format!("MemTotal:       {memory_kb} kB\n"),
            0o644,
        )?;
        machine.write("etc/fstab", "/dev/sda1 / ext4 defaults 0 1\n", 0o644)?;
        machine.write("var/lib/cloud/data/instance-id", "4711\n", 0o644)?;
        machine.play()?;
        machine.install_sshd()?;
        Ok(machine)
    }

    /// The programs that are played.
    fn play(&self) -> Result<()> {
        for program in fs::read_dir(PLAYED)? {
            let program = program?;
            let name = program.file_name();
            if name != "k3s" && name != "enter" {
                let to = self.path("local/bin").join(name);
                self.write_bytes(&to, &fs::read(program.path())?, 0o755)?;
            }
        }
        Ok(())
    }

    fn install_sshd(&self) -> Result<()> {
        let sshd = debian::sshd()?;
        let users = fs::read_to_string("/etc/passwd")?;
        self.write(
            "etc/passwd",
            &format!("{users}\nsshd:x:65534:65534::/run/sshd:/usr/sbin/nologin\n"),
            0o644,
        )?;
        fs::copy(
            sshd.path("usr/share/openssh/sshd_config"),
            self.path("etc/ssh/sshd_config"),
        )?;
        for (number, library) in sshd.libraries()?.iter().enumerate() {
            let to = self.path(&format!("local/lib/sshd/{number}"));
            fs::create_dir_all(to.parent().context("no parent")?)?;
            run(Command::new("cp").arg("-R").args([library, &to]))?;
        }
        fs::create_dir_all(self.path("local/lib/sshd"))?;
        fs::copy(sshd.path("usr/sbin/sshd"), self.path("local/lib/sshd/sshd"))?;
        self.write(
            "local/sbin/sshd",
            "#!/bin/sh\nlib=/usr/local/lib/sshd\nLD_LIBRARY_PATH=$lib/0:$lib/1 exec $lib/sshd \"$@\"\n",
            0o755,
        )?;
        run(Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(self.path("etc/ssh/ssh_host_ed25519_key")))
    }

    /// Where a file of the machine is for us.
    pub fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    /// Puts a file there, as cloud-init does.
    pub fn write(&self, path: &str, content: &str, mode: u32) -> Result<()> {
        // Its own /usr/local lies beside the system's /usr.
        let path = path.trim_start_matches('/');
        let path = path.strip_prefix("usr/").unwrap_or(path);
        self.write_bytes(&self.path(path), content.as_bytes(), mode)
    }

    fn write_bytes(&self, path: &Path, content: &[u8], mode: u32) -> Result<()> {
        ensure!(
            path.starts_with(self.0.path()),
            "{} is outside",
            path.display()
        );
        fs::create_dir_all(path.parent().context("no parent")?)?;
        fs::write(path, content)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        Ok(())
    }

    /// What a file of the machine holds, if it is there.
    pub fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok()
    }

    /// The executable that is "released" as k3s.
    pub fn k3s() -> Result<Vec<u8>> {
        Ok(fs::read(Path::new(PLAYED).join("k3s"))?)
    }

    /// Runs a script in it with bash.
    pub fn run(&self, script: &str) -> Result<Output> {
        let nft = find_program(&["nft"], &[PathBuf::from("/usr/sbin")]);
        nft.context("the tests of a first boot need nft; tests/install installs it")?;
        Ok(Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "--net",
                "--pid",
                "--fork",
                "--kill-child",
            ])
            .arg(Path::new(PLAYED).join("enter"))
            .arg(self.0.path())
            .args(["/bin/bash", "-c", script])
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("HOME", "/root")
            .stdin(Stdio::null())
            .output()?)
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
