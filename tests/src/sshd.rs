//! A server that can be reached by SSH: OpenSSH's `sshd` on loopback, with keys and users of its own. What stands below
//! `/run/fleet`, `/var/log` and `/etc/rancher` there is below a directory of the test.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{
    ports,
    service::{Service, find_program},
    unprivileged::run,
};

/// The commands of whoever logs in, with other paths in them.
const FORCED: &str = r#"#!/bin/sh
printf '%s' "$SSH_ORIGINAL_COMMAND" |
    sed -e 's|/run/fleet/|DIR&|g' -e 's|/var/log/|DIR&|g' -e 's|/etc/rancher/|DIR&|g' |
    /bin/sh
"#;

/// A running server. Dropping it kills the process and removes its files.
#[derive(Debug)]
pub struct Sshd {
    service: Option<Service>,
    program: PathBuf,
    port: u16,
    user: String,
    dir: TempDir,
}

impl Sshd {
    /// A server that lets in whoever has the key [`identity`](Self::identity).
    pub async fn start() -> Result<Self> {
        let mut server = Self::prepare()?;
        server.start_again().await?;
        Ok(server)
    }

    fn prepare() -> Result<Self> {
        // It refuses to be started by a name without a path.
        let program = find_program(&["sshd"], &[PathBuf::from("/usr/sbin")])
            .context("no sshd: run tests/install, or install OpenSSH's server")?;
        let server = Self {
            service: None,
            program,
            port: ports::free_port()?,
            user: run(Command::new("id").arg("-un"))?.trim().to_owned(),
            dir: tempfile::tempdir()?,
        };
        for dir in ["run/fleet", "var/log", "etc/rancher/k3s"] {
            fs::create_dir_all(server.path(dir))?;
        }
        server.new_key("host")?;
        server.new_key("user")?;
        server.new_key("stranger")?;
        fs::copy(server.path("user.pub"), server.path("authorized_keys"))?;
        let dir = server.dir.path().display();
        fs::write(
            server.path("forced"),
            FORCED.replace("DIR", &dir.to_string()),
        )?;
        let config = format!(
            "Port {}\nListenAddress 127.0.0.1\nHostKey {dir}/host\nPidFile none\n\
             AuthorizedKeysFile {dir}/authorized_keys\nStrictModes no\nUsePAM no\n\
             PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             ForceCommand /bin/sh {dir}/forced\n",
            server.port
        );
        fs::write(server.path("sshd_config"), config)?;
        if server.user == "root" {
            // Compiled into it.
            fs::create_dir_all("/run/sshd")?;
        }
        Ok(server)
    }

    /// Ends the server: nobody can be reached there.
    pub async fn stop(&mut self) -> Result<()> {
        let mut service = self.service.take().context("sshd is not running")?;
        service.end_with("TERM").await?;
        Ok(())
    }

    /// Starts the server after [`stop`](Self::stop), on the same port.
    pub async fn start_again(&mut self) -> Result<()> {
        ensure!(self.service.is_none(), "sshd is running");
        let mut command = Command::new(&self.program);
        command
            .args(["-D", "-e", "-f"])
            .arg(self.path("sshd_config"));
        let mut service = Service::start("sshd", command, &self.path("log"))?;
        service.wait_until_listening(self.port).await?;
        self.service = Some(service);
        Ok(())
    }

    /// Gives the server another key, as when it is rebuilt. It has it from the next start on.
    pub fn rebuild(&self) -> Result<()> {
        fs::remove_file(self.path("host"))?;
        self.new_key("host")
    }

    fn new_key(&self, name: &str) -> Result<()> {
        run(Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(self.path(name)))?;
        Ok(())
    }

    /// Writes a file of the server; `path` as it is known there.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        Ok(fs::write(self.path(path), text)?)
    }

    /// Where a file of the server is here.
    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    /// The address at which the server listens.
    pub fn address(&self) -> IpAddr {
        Ipv4Addr::LOCALHOST.into()
    }

    /// The port at which the server listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Who can log in: whoever runs the test.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The private key with which one gets in.
    pub fn identity(&self) -> PathBuf {
        self.path("user")
    }

    /// A private key that the server does not know.
    pub fn stranger(&self) -> PathBuf {
        self.path("stranger")
    }

    /// A place for files of the test.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}
