//! An S3-compatible server of a test's own: versitygw over a directory, built once as a Go module.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use crate::{
    ports,
    service::{Service, find_program},
    target, unprivileged,
};

const VERSION: &str = "v1.8.0";
const MODULE: &str = "github.com/versity/versitygw/cmd/versitygw";

const ACCESS_KEY: &str = "access-key-of-a-test";
const SECRET_KEY: &str = "secret-key-of-a-test";

/// A running server with one bucket. Dropping it kills the process and removes what was stored.
#[derive(Debug)]
pub struct S3 {
    service: Option<Service>,
    program: PathBuf,
    bucket: String,
    port: u16,
    dir: TempDir,
}

impl S3 {
    /// A server with an empty bucket of this name. The first call on a machine builds the server, in minutes.
    pub async fn start(bucket: &str) -> Result<Self> {
        let bucket = bucket.to_owned();
        let mut server = spawn_blocking(move || Self::prepare(bucket)).await??;
        server.start_again().await?;
        Ok(server)
    }

    fn prepare(bucket: String) -> Result<Self> {
        let program = program()?;
        let dir = tempfile::Builder::new()
            .prefix("s3-")
            .tempdir_in(target::target_dir()?)?;
        let server = Self {
            service: None,
            program,
            bucket,
            port: ports::free_port()?,
            dir,
        };
        fs::create_dir_all(server.bucket_dir())?;
        fs::create_dir(server.dir.path().join("metadata"))?;
        Ok(server)
    }

    /// Ends the server at once: nobody can be reached there.
    pub async fn stop(&mut self) -> Result<()> {
        let mut service = self
            .service
            .take()
            .context("the S3 server is not running")?;
        service.end_with("KILL").await?;
        Ok(())
    }

    /// Starts the server after [`stop`](Self::stop), on the same port and with what it had stored.
    pub async fn start_again(&mut self) -> Result<()> {
        ensure!(self.service.is_none(), "the S3 server is running");
        let mut command = Command::new(&self.program);
        command
            .env("ROOT_ACCESS_KEY", ACCESS_KEY)
            .env("ROOT_SECRET_KEY", SECRET_KEY)
            .args(["--port", &self.address().to_string()])
            // In files of its own: not every file system has extended attributes.
            .args(["posix", "--sidecar"])
            .arg(self.dir.path().join("metadata"))
            .arg(self.dir.path().join("buckets"));
        let mut service = Service::start("versitygw", command, &self.dir.path().join("log"))?;
        service.wait_until_listening(self.port).await?;
        self.service = Some(service);
        Ok(())
    }

    /// Removes the bucket with everything in it, behind the server's back.
    pub fn remove_bucket(&self) -> Result<()> {
        Ok(fs::remove_dir_all(self.bucket_dir())?)
    }

    /// Where the server keeps the objects of the bucket, as files.
    pub fn bucket_dir(&self) -> PathBuf {
        self.dir.path().join("buckets").join(&self.bucket)
    }

    /// `s3://bucket`, and what the prefix adds if there is one.
    pub fn url(&self, prefix: &str) -> String {
        let slash = if prefix.is_empty() { "" } else { "/" };
        format!("s3://{}{slash}{prefix}", self.bucket)
    }

    /// The environment of a program that uses the bucket.
    pub fn env(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address())),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// What the server has logged: a line a request.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

/// The server's executable, built by the first call on a machine.
fn program() -> Result<PathBuf> {
    let tools = target::tools_dir()?;
    let lock =
        File::create(tools.join("versitygw.lock")).context("failed to create the lock file")?;
    lock.lock().context("failed to lock the tools")?;

    // The directory's name is the stamp: go renames the finished executable into it.
    let dir = tools.join(format!("versitygw-{VERSION}"));
    let program = dir.join("versitygw");
    if !program.is_file() {
        let go = find_program(&["go"], &[PathBuf::from("/usr/local/go/bin")]).context(
            "the tests build an S3 server: install Go 1.25 or newer (https://go.dev/dl)",
        )?;
        unprivileged::run(
            Command::new(go)
                .args(["install", &format!("{MODULE}@{VERSION}")])
                .env("GOBIN", &dir)
                .env("CGO_ENABLED", "0")
                .env_remove("GOOS")
                .env_remove("GOARCH"),
        )
        .context("failed to build versitygw; it needs a Go module proxy, the first time only")?;
    }
    Ok(program)
}
