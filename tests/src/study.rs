//! A study whose records are scripted: a database with the tables, collectors that fill it, `fleetctl` on top.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::{bins, postgres::Postgres};

/// Far more than anything here takes.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// The records of a scripted collector.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a> {
    /// The region.
    pub client: &'a str,
    /// When it gets the first one.
    pub from: &'a str,
    /// The time between two of them in the data.
    pub step_ms: u64,
    /// How many there are to be.
    pub records: u64,
    /// The time that the program waits between two of them.
    pub pause_ms: u64,
}

impl Script<'_> {
    /// A minute a record, from the end of September 2026 on.
    pub fn new(client: &str, records: u64) -> Script<'_> {
        Script {
            client,
            from: "2026-09-29T12:00:00Z",
            step_ms: 60_000,
            records,
            pause_ms: 0,
        }
    }

    /// The collector. It ends when the database has all records.
    pub fn command(self, data_dir: &Path, url: &str) -> Result<Command> {
        let mut command = Command::new(bins::path("scripted_collector")?);
        command
            .args(["--client", self.client, "--from", self.from])
            .args(["--step-ms", &self.step_ms.to_string()])
            .args(["--pause-ms", &self.pause_ms.to_string()])
            .args(["--records", &self.records.to_string()])
            .arg("--data-dir")
            .arg(data_dir)
            .env("DATABASE_URL", url)
            .stderr(Stdio::inherit())
            .kill_on_drop(true);
        Ok(command)
    }

    /// The same, running.
    pub fn start(self, data_dir: &Path, url: &str) -> Result<Child> {
        Ok(self.command(data_dir, url)?.spawn()?)
    }
}

/// One database of a server, and a directory for archive files.
#[derive(Debug)]
pub struct Study<'s> {
    server: &'s Postgres,
    name: String,
    url: String,
    dir: TempDir,
}

impl<'s> Study<'s> {
    /// A new database with the tables.
    pub async fn new(server: &'s Postgres, name: &str) -> Result<Self> {
        let study = Self {
            server,
            name: name.to_owned(),
            url: migrated(server, name).await?,
            dir: TempDir::new()?,
        };
        std::fs::create_dir(study.files())?;
        Ok(study)
    }

    /// How the superuser reaches the database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where archive files go.
    pub fn files(&self) -> PathBuf {
        self.dir.path().join("files")
    }

    /// SQL in this database, as [`Postgres::psql`].
    pub async fn psql(&self, sql: &str) -> Result<String> {
        self.server.psql(&self.name, sql).await
    }

    /// The spool of a region.
    pub fn spool(&self, client: &str) -> PathBuf {
        self.dir.path().join(client)
    }

    /// A region whose next run records up to so many searches from `from` on, one in `step_ms`, and ships them here.
    pub fn collector(
        &self,
        client: &str,
        from: &str,
        step_ms: u64,
        records: u64,
    ) -> Result<Command> {
        let script = Script {
            client,
            from,
            step_ms,
            records,
            pause_ms: 0,
        };
        script.command(&self.spool(client), &self.url)
    }

    /// The same, to its end.
    pub async fn collect(
        &self,
        client: &str,
        from: &str,
        step_ms: u64,
        records: u64,
    ) -> Result<()> {
        finish(self.collector(client, from, step_ms, records)?.spawn()?).await
    }

    /// `fleetctl` with this database.
    pub fn fleetctl(&self, args: &[&str]) -> Result<Command> {
        let mut command = fleetctl(args)?;
        command.env("DATABASE_URL", &self.url);
        Ok(command)
    }

    /// Standard output of `fleetctl`, which must end well.
    pub async fn run(&self, args: &[&str]) -> Result<String> {
        text(&mut self.fleetctl(args)?).await
    }

    /// What `fleetctl` says when it refuses with this exit code.
    pub async fn refusal(&self, code: i32, args: &[&str]) -> Result<String> {
        let output = output(&mut self.fleetctl(args)?).await?;
        ensure!(
            output.status.code() == Some(code),
            "{:?}: {}",
            output.status,
            said(&output)
        );
        Ok(said(&output))
    }

    /// Everything that the archive and the collectors can change, in a text to compare: every live record, counts and
    /// cursors.
    pub async fn contents(&self) -> Result<String> {
        self.psql(
            "SELECT count(*), md5(coalesce(string_agg(s::text, E'\\n' ORDER BY client_id, spool, seq), '')) \
             FROM soulseek.searches s;
             SELECT name, last_seq, missing, (SELECT string_agg(day || ':' || searches, ' ' ORDER BY day) \
             FROM soulseek.day_count d WHERE d.client = c.client) \
             FROM soulseek.ingest_cursor c JOIN soulseek.client ON id = c.client ORDER BY name, spool",
        )
        .await
    }

    /// Waits until nobody but this test is connected: what a killed program began is over then.
    pub async fn alone(&self) -> Result<()> {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                   AND backend_type = 'client backend'";
        let deadline = Instant::now() + PATIENCE;
        while self.psql(sql).await? != "0" {
            ensure!(
                Instant::now() < deadline,
                "a killed program's session does not end"
            );
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

/// A new database with the tables; how the superuser reaches it.
pub async fn migrated(server: &Postgres, name: &str) -> Result<String> {
    let url = server.create_database(name).await?;
    succeed(&mut fleetd(&url, &["migrate"])?).await?;
    Ok(url)
}

/// `fleetd` with a database.
pub fn fleetd(url: &str, args: &[&str]) -> Result<Command> {
    let mut command = Command::new(bins::path("fleetd")?);
    command
        .args(args)
        .env("DATABASE_URL", url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    Ok(command)
}

/// `fleetctl` with nothing from the environment that would change what it does.
pub fn fleetctl(args: &[&str]) -> Result<Command> {
    let mut command = Command::new(bins::path("fleetctl")?);
    for variable in [
        "DATABASE_URL",
        "FLEET_DATA_DIR",
        "FLEET_LOG",
        "FLEET_ARCHIVE_DESTINATION",
    ] {
        command.env_remove(variable);
    }
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

/// Runs a program that must end well.
pub async fn succeed(command: &mut Command) -> Result<Output> {
    let output = output(command).await?;
    ensure!(
        output.status.success(),
        "{command:?}: {:?}: {}",
        output.status,
        said(&output)
    );
    Ok(output)
}

/// Standard output of a program that ends well.
pub async fn text(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8(succeed(command).await?.stdout)?)
}

/// Waits for the end of a program.
pub async fn output(command: &mut Command) -> Result<Output> {
    timeout(PATIENCE, command.output())
        .await
        .context("a program does not end")?
        .context("a program does not start")
}

/// Waits for the good end of a program that runs.
pub async fn finish(mut child: Child) -> Result<()> {
    let ended = timeout(PATIENCE, child.wait())
        .await
        .context("a program does not end")??;
    ensure!(ended.success(), "it ended with {ended}");
    Ok(())
}

/// What a program says to people.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A path as an argument.
pub fn arg(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}
