//! A PostgreSQL server of a test's own, on loopback: the real thing, from the packages of the system.
//!
//! The superuser `postgres` needs no password; every other role needs one (SCRAM). A new server is a copy of a
//! directory that was initialised once per machine.

use std::{
    env,
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::{task::spawn_blocking, time::Instant};

use crate::{
    certificates::Certificate,
    ports,
    service::{PATIENCE, Service},
    target, unprivileged,
};

/// The oldest PostgreSQL that the product supports.
const OLDEST: u32 = 15;

/// How a server differs from the usual one.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the data goes instead of to a new directory: an existing directory, for example a small file system.
    pub data_dir: Option<PathBuf>,
    /// More lines for `postgresql.conf`.
    pub settings: Vec<(String, String)>,
    /// Writes to the disk before it acknowledges, as a server in production does. Off, since no test cuts the power.
    pub durable: bool,
    /// Speaks TLS with this certificate, and nothing but TLS.
    pub certificate: Option<Certificate>,
}

/// A running server. Dropping it ends the server and removes its data.
#[derive(Debug)]
pub struct Postgres {
    service: Option<Service>,
    bin: PathBuf,
    data: PathBuf,
    port: u16,
    tls: bool,
    /// Holds the log, and the data unless they are elsewhere.
    dir: TempDir,
}

impl Postgres {
    /// A server with the settings that PostgreSQL comes with, except that it does not wait for the disk.
    pub async fn start() -> Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// A server with settings of its own.
    pub async fn start_with(options: Options) -> Result<Self> {
        let mut server = spawn_blocking(move || Self::prepare(&options)).await??;
        server.start_again().await?;
        Ok(server)
    }

    fn prepare(options: &Options) -> Result<Self> {
        let bin = bin_dir()?;
        let template = template(&bin)?;
        let dir = unprivileged::dir()?;
        let data = options
            .data_dir
            .clone()
            .unwrap_or_else(|| dir.path().join("data"));
        fs::create_dir_all(&data)?;
        unprivileged::run(
            Command::new("cp")
                .args(["-R", "--reflink=auto", "--no-target-directory"])
                .args([&template, &data]),
        )?;
        let port = ports::free_port()?;
        configure(&data, port, options)?;
        unprivileged::run(Command::new("chmod").arg("0700").arg(&data))?;
        unprivileged::give(&data)?;
        Ok(Self {
            service: None,
            bin,
            data,
            port,
            tls: options.certificate.is_some(),
            dir,
        })
    }

    /// Starts the server after [`stop`](Self::stop) or [`kill`](Self::kill), on the same port.
    pub async fn start_again(&mut self) -> Result<()> {
        ensure!(self.service.is_none(), "the server is running");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.dir.path().join("log");
            let mut command = unprivileged::command(self.bin("postgres"));
            command.arg("-D").arg(&self.data);
            let mut service = Service::start("PostgreSQL", command, &log)?;
            let pid_file = self.data.join("postmaster.pid");
            match service.wait_until(async |id| is_ready(&pid_file, id)).await {
                Ok(()) => {
                    self.service = Some(service);
                    return Ok(());
                }
                // The processes of a killed server take a moment to notice.
                Err(error)
                    if error
                        .to_string()
                        .contains("pre-existing shared memory block")
                        && Instant::now() < deadline =>
                {
                    fs::remove_file(&log)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends the server at once (an "immediate" shutdown: sessions end, nothing is written; the next start recovers).
    pub async fn stop(&mut self) -> Result<()> {
        let mut service = self.service.take().context("the server is not running")?;
        service.end_with("QUIT").await?;
        Ok(())
    }

    /// Ends the server as `kill -9` does.
    pub async fn kill(&mut self) -> Result<()> {
        let mut service = self.service.take().context("the server is not running")?;
        service.end_with("KILL").await?;
        Ok(())
    }

    /// A new database; its URL.
    pub async fn create_database(&self, name: &str) -> Result<String> {
        self.psql("postgres", &format!("CREATE DATABASE \"{name}\""))
            .await?;
        Ok(self.url(name))
    }

    /// How the superuser reaches a database.
    pub fn url(&self, database: &str) -> String {
        self.url_as("postgres", "", database)
    }

    /// How a role with a password reaches a database.
    pub fn url_as(&self, role: &str, password: &str, database: &str) -> String {
        url_at(self.address(), self.tls, role, password, database)
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Runs SQL as the superuser: columns parted by `|`, a row a line, without the last line end. Ends at the first
    /// statement that fails.
    pub async fn psql(&self, database: &str, sql: &str) -> Result<String> {
        let mut command = Command::new(self.bin("psql"));
        command
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                &self.url(database),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let sql = sql.to_owned();
        spawn_blocking(move || {
            let mut psql = command.spawn().context("failed to start psql")?;
            let write = psql
                .stdin
                .take()
                .map(|mut input| input.write_all(sql.as_bytes()));
            let output = psql.wait_with_output()?;
            ensure!(
                output.status.success(),
                "{}\nin: {sql}",
                String::from_utf8_lossy(&output.stderr)
            );
            write.transpose()?;
            Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
        })
        .await?
    }

    /// The path of a program of this server's version, `pg_dump` for example.
    pub fn bin(&self, program: &str) -> PathBuf {
        self.bin.join(program)
    }

    /// Where the server keeps its data.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// Lets the server use a directory: for a table space on a small file system, for example.
    pub fn give(&self, dir: &Path) -> Result<()> {
        unprivileged::give(dir)
    }

    /// The last lines of the server's log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A killed server would leave its shared memory behind.
        if let Some(service) = &mut self.service {
            service.end_now_with("QUIT");
        }
    }
}

/// Whether the server with this process id takes connections. The file is also there from a server that was killed.
/// Its lines: <https://www.postgresql.org/docs/15/storage-file-layout.html>, `src/include/utils/pidfile.h`.
fn is_ready(pid_file: &Path, id: u32) -> bool {
    let Ok(text) = fs::read_to_string(pid_file) else {
        return false;
    };
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    lines.first() == Some(&id.to_string().as_str()) && lines.get(7) == Some(&"ready")
}

fn configure(data: &Path, port: u16, options: &Options) -> Result<()> {
    let mut settings = format!(
        "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\n\
         password_encryption = 'scram-sha-256'\n"
    );
    if !options.durable {
        settings.push_str("fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n");
    }
    let mut connection = "host";
    if let Some(certificate) = &options.certificate {
        connection = "hostssl";
        settings.push_str("ssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'\n");
        fs::copy(&certificate.certificate, data.join("server.crt"))?;
        fs::copy(&certificate.key, data.join("server.key"))?;
        // The server refuses a key that others could read.
        unprivileged::run(
            Command::new("chmod")
                .arg("0600")
                .arg(data.join("server.key")),
        )?;
    }
    for (name, value) in &options.settings {
        writeln!(settings, "{name} = '{}'", value.replace('\'', "''"))?;
    }
    File::options()
        .append(true)
        .open(data.join("postgresql.conf"))?
        .write_all(settings.as_bytes())?;
    let access = format!(
        "{connection} all,replication postgres 127.0.0.1/32 trust\n\
         {connection} all all 127.0.0.1/32 scram-sha-256\n"
    );
    fs::write(data.join("pg_hba.conf"), access)?;
    Ok(())
}

/// A freshly initialised data directory, made once for each version of the server and kept.
fn template(bin: &Path) -> Result<PathBuf> {
    let version = unprivileged::run(Command::new(bin.join("initdb")).arg("--version"))?;
    let version = version.split_whitespace().nth(2).unwrap_or("unknown");
    let databases = target::databases_dir()?;
    let lock =
        File::create(databases.join("template.lock")).context("failed to create the lock file")?;
    lock.lock().context("failed to lock the template")?;

    let template = databases.join(format!("template-{version}"));
    if template.exists() {
        return Ok(template);
    }
    let dir = unprivileged::dir()?;
    let data = dir.path().join("data");
    unprivileged::run(
        unprivileged::command(bin.join("initdb"))
            .arg("-D")
            .arg(&data)
            .args([
                "-U",
                "postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
            ])
            .args(["--no-sync", "--no-instructions"]),
    )
    .context("failed to initialise a database")?;
    // Renamed last, so that a template that is there is complete.
    let partial = databases.join("template.partial");
    unprivileged::run(Command::new("rm").arg("-rf").arg(&partial))?;
    unprivileged::run(Command::new("cp").arg("-R").args([&data, &partial]))?;
    fs::rename(&partial, &template)?;
    Ok(template)
}

/// Where the programs of the server are: `PG_BIN`, or the newest version that a package of the system has brought.
fn bin_dir() -> Result<PathBuf> {
    if let Some(dir) = env::var_os("PG_BIN") {
        let dir = PathBuf::from(dir);
        ensure!(
            dir.join("initdb").is_file(),
            "no initdb in PG_BIN={}",
            dir.display()
        );
        return Ok(dir);
    }
    let installed = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let newest = installed
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|version| *version >= OLDEST)
        .max();
    let Some(version) = newest else {
        bail!(
            "no PostgreSQL {OLDEST} or newer below /usr/lib/postgresql: run tests/install, or set PG_BIN to the \
             directory that has initdb"
        );
    };
    Ok(PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")))
}

/// How a role with a password reaches a database of whoever listens there.
pub(crate) fn url_at(
    address: SocketAddr,
    tls: bool,
    role: &str,
    password: &str,
    database: &str,
) -> String {
    let colon = if password.is_empty() { "" } else { ":" };
    let tls = if tls { "?sslmode=require" } else { "" };
    format!("postgres://{role}{colon}{password}@{address}/{database}{tls}")
}
