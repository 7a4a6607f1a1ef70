//! A PgBouncer of a test's own before a [`Postgres`]: transaction pooling, otherwise as it comes.

use std::{
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use crate::{
    certificates::Certificate,
    ports,
    postgres::{Postgres, url_at},
    service::{Service, find_program},
    unprivileged,
};

/// How a pooler differs from the usual one.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Connections to the server for each database and role; 20 if not given.
    pub pool_size: Option<u32>,
    /// Roles with their passwords that may connect, besides `postgres`.
    pub roles: Vec<(String, String)>,
    /// Asks roles for their passwords (SCRAM), where otherwise the name is enough.
    pub check_passwords: bool,
    /// Speaks TLS with this certificate to its clients, and nothing but TLS.
    pub certificate: Option<Certificate>,
    /// More lines for the section `[pgbouncer]`.
    pub settings: Vec<(String, String)>,
}

/// A running pooler. Dropping it kills the process.
#[derive(Debug)]
pub struct PgBouncer {
    service: Option<Service>,
    program: PathBuf,
    port: u16,
    tls: bool,
    dir: TempDir,
}

impl PgBouncer {
    /// A pooler before this server.
    pub async fn start(server: &Postgres) -> Result<Self> {
        Self::start_with(server.address(), Options::default()).await
    }

    /// A pooler with settings of its own, before a server or before the proxy before a server.
    pub async fn start_with(server: SocketAddr, options: Options) -> Result<Self> {
        let mut pooler = spawn_blocking(move || Self::prepare(server, &options)).await??;
        pooler.start_again().await?;
        Ok(pooler)
    }

    fn prepare(server: SocketAddr, options: &Options) -> Result<Self> {
        let program = find_program(&["pgbouncer"], &[PathBuf::from("/usr/sbin")])
            .context("pgbouncer is not on the PATH: run tests/install")?;
        let dir = unprivileged::dir()?;
        let port = ports::free_port()?;
        configure(dir.path(), server, port, options)?;
        unprivileged::give(dir.path())?;
        Ok(Self {
            service: None,
            program,
            port,
            tls: options.certificate.is_some(),
            dir,
        })
    }

    /// A pooler with files that somebody else wrote, by their names; one is `pgbouncer.ini`. `write` gets the directory
    /// that they will be in, and the port.
    pub async fn start_with_files(
        write: impl FnOnce(&Path, u16) -> Vec<(String, String)>,
    ) -> Result<Self> {
        let program = find_program(&["pgbouncer"], &[PathBuf::from("/usr/sbin")])
            .context("pgbouncer is not on the PATH: run tests/install")?;
        let dir = unprivileged::dir()?;
        let port = ports::free_port()?;
        for (name, text) in write(dir.path(), port) {
            fs::write(dir.path().join(name), text)?;
        }
        unprivileged::give(dir.path())?;
        let mut pooler = Self {
            service: None,
            program,
            port,
            tls: true,
            dir,
        };
        pooler.start_again().await?;
        Ok(pooler)
    }

    /// Starts the pooler after [`stop`](Self::stop), on the same port.
    pub async fn start_again(&mut self) -> Result<()> {
        ensure!(self.service.is_none(), "PgBouncer is running");
        let mut command = unprivileged::command(&self.program);
        command.arg(self.dir.path().join("pgbouncer.ini"));
        let mut service = Service::start("PgBouncer", command, &self.dir.path().join("log"))?;
        service.wait_until_listening(self.port).await?;
        self.service = Some(service);
        Ok(())
    }

    /// Ends the pooler and all its connections at once.
    pub async fn stop(&mut self) -> Result<()> {
        let mut service = self.service.take().context("PgBouncer is not running")?;
        service.end_with("KILL").await?;
        Ok(())
    }

    /// How `postgres` reaches a database through the pooler.
    pub fn url(&self, database: &str) -> String {
        self.url_as("postgres", "", database)
    }

    /// How a role of [`Options::roles`] reaches a database through the pooler.
    pub fn url_as(&self, role: &str, password: &str, database: &str) -> String {
        url_at(self.address(), self.tls, role, password, database)
    }

    /// Where the pooler listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// What the pooler has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

fn configure(dir: &Path, server: SocketAddr, port: u16, options: &Options) -> Result<()> {
    let roles = dir.join("roles.txt");
    let mut text = String::from("\"postgres\" \"\"\n");
    for (role, password) in &options.roles {
        writeln!(text, "\"{role}\" \"{password}\"")?;
    }
    fs::write(&roles, text)?;

    let auth = if options.check_passwords {
        "scram-sha-256"
    } else {
        "trust"
    };
    let mut text = format!(
        "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\npool_mode = transaction\nauth_type = {auth}\nauth_file = {}\n",
        server.ip(),
        server.port(),
        roles.display()
    );
    if let Some(size) = options.pool_size {
        writeln!(text, "default_pool_size = {size}")?;
    }
    if let Some(certificate) = &options.certificate {
        for (setting, from) in [
            ("client_tls_cert_file", &certificate.certificate),
            ("client_tls_key_file", &certificate.key),
        ] {
            let to = dir.join(setting);
            fs::copy(from, &to)?;
            writeln!(text, "{setting} = {}", to.display())?;
        }
        text.push_str("client_tls_sslmode = require\n");
    }
    for (name, value) in &options.settings {
        writeln!(text, "{name} = {value}")?;
    }
    fs::write(dir.join("pgbouncer.ini"), text)?;
    Ok(())
}
