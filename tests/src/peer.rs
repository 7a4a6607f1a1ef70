//! A real Soulseek client as a separate process that a test drives and reads.
//!
//! All clients look alike from here: a driver process that takes commands and gives events, one a line
//! (`protocol.rs`). Dropping a [`Peer`] kills the process; a driver whose test is gone sees the end of its input
//! and ends by itself.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin},
    sync::watch,
    task::spawn_blocking,
    time::timeout,
};

use crate::{
    bins, ports,
    protocol::{Command, Event},
    target, venv,
};

/// How long a test waits for something that should come. Far more than it takes (a start below 2 s, a parent a
/// round of the server later): a machine that is busy with other things must not fail a test.
const PATIENCE: Duration = Duration::from_mins(1);

/// How much of what a client has logged is kept for the message of a failed test.
const LOG_LINES: usize = 60;
const LAST_EVENTS: usize = 20;

/// Whom a client logs in as, and where.
#[derive(Clone, Debug)]
pub struct Account {
    pub server: SocketAddr,
    pub username: String,
    pub password: String,
    /// A folder whose files the client shares.
    pub share: Option<PathBuf>,
    /// Whether soulseek-rs takes children. The other two decide by the upload speed that the server reports.
    pub accept_children: bool,
}

impl Account {
    /// An account that shares nothing and takes children.
    pub fn new(server: SocketAddr, username: &str) -> Self {
        Self {
            server,
            username: username.to_owned(),
            password: format!("password of {username}"),
            share: None,
            accept_children: true,
        }
    }

    /// The same with a folder whose files are shared.
    #[must_use]
    pub fn sharing(self, folder: impl Into<PathBuf>) -> Self {
        Self {
            share: Some(folder.into()),
            ..self
        }
    }
}

/// A running client.
#[derive(Debug)]
pub struct Peer {
    name: String,
    process: Child,
    commands: ChildStdin,
    output: watch::Receiver<Output>,
    log: Log,
    listen_port: u16,
    /// The client's home; removed together with the peer.
    _home: TempDir,
}

/// What has come from a client so far.
#[derive(Debug, Default)]
struct Output {
    events: Vec<Event>,
    has_ended: bool,
}

/// The last lines of a client's standard error.
type Log = Arc<Mutex<VecDeque<String>>>;

impl Peer {
    /// Nicotine+ without its window.
    pub async fn nicotine(account: &Account) -> Result<Self> {
        Self::python("nicotine_driver.py", account).await
    }

    /// A client on the library aioslsk.
    pub async fn aioslsk(account: &Account) -> Result<Self> {
        Self::python("aioslsk_driver.py", account).await
    }

    /// A client on the library soulseek-rs.
    pub async fn soulseek_rs(account: &Account) -> Result<Self> {
        let program = spawn_blocking(|| bins::path("peer_soulseek_rs")).await??;
        Self::start(
            "soulseek-rs",
            tokio::process::Command::new(program),
            account,
        )
    }

    async fn python(driver: &str, account: &Account) -> Result<Self> {
        let python = spawn_blocking(venv::python).await??;
        let mut command = tokio::process::Command::new(python);
        command.arg(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("peers")
                .join(driver),
        );
        // Nothing is written beside the sources.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        Self::start(driver, command, account)
    }

    fn start(kind: &str, mut command: tokio::process::Command, account: &Account) -> Result<Self> {
        // A test that is killed cannot remove the homes of its clients; there they are at least out of the way.
        let home = tempfile::Builder::new()
            .prefix("home-")
            .tempdir_in(target::peers_dir()?)
            .context("failed to make a home")?;
        let listen_port = ports::free_port()?;
        command
            .args(["--server", &account.server.to_string()])
            .args(["--username", &account.username])
            .args(["--password", &account.password])
            .args(["--listen-port", &listen_port.to_string()])
            .arg("--home")
            .arg(home.path());
        if let Some(share) = &account.share {
            command.arg("--share").arg(share);
        }
        if account.accept_children {
            command.arg("--accept-children");
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("failed to start {kind}"))?;
        let (Some(commands), Some(events), Some(log_lines)) = (
            process.stdin.take(),
            process.stdout.take(),
            process.stderr.take(),
        ) else {
            bail!("{kind} has no pipes");
        };

        let (sender, output) = watch::channel(Output::default());
        let log = Log::default();
        tokio::spawn(read_events(
            BufReader::new(events),
            sender,
            Arc::clone(&log),
        ));
        tokio::spawn(read_log(BufReader::new(log_lines), Arc::clone(&log)));
        let name = format!("{} ({kind})", account.username);
        Ok(Self {
            name,
            process,
            commands,
            output,
            log,
            listen_port,
            _home: home,
        })
    }

    /// The port on which the client takes connections of other clients.
    pub fn listen_port(&self) -> u16 {
        self.listen_port
    }

    /// Everything that has come so far, oldest first.
    pub fn events(&self) -> Vec<Event> {
        self.output.borrow().events.clone()
    }

    /// The first event since the start that fits; waits for it if there is none yet.
    pub async fn wait_for(&self, fits: impl FnMut(&Event) -> bool) -> Result<Event> {
        self.wait_after(0, fits).await
    }

    /// Like [`Peer::wait_for`], but without the first `seen` events: for a state that comes more than once, such
    /// as a second parent. `seen` is a length of [`Peer::events`].
    pub async fn wait_after(
        &self,
        seen: usize,
        mut fits: impl FnMut(&Event) -> bool,
    ) -> Result<Event> {
        let mut output = self.output.clone();
        let mut looked_at = seen;
        let search = async {
            loop {
                {
                    let now = output.borrow_and_update();
                    let new = now.events.get(looked_at..).unwrap_or_default();
                    if let Some(event) = new.iter().find(|event| fits(event)) {
                        return Some(event.clone());
                    }
                    looked_at = looked_at.max(now.events.len());
                    if now.has_ended {
                        return None;
                    }
                }
                if output.changed().await.is_err() {
                    return None;
                }
            }
        };
        match timeout(PATIENCE, search).await {
            Ok(Some(event)) => Ok(event),
            Ok(None) => bail!(
                "{} ended before the event came{}",
                self.name,
                self.history()
            ),
            Err(_) => bail!(
                "{} did not give the event within {PATIENCE:?}{}",
                self.name,
                self.history()
            ),
        }
    }

    /// Waits until the client is logged in and ready.
    pub async fn online(&self) -> Result<()> {
        match self
            .wait_for(|event| matches!(event, Event::Online | Event::Refused { .. }))
            .await?
        {
            Event::Refused { reason } => bail!("the server refused {}: {reason}", self.name),
            _ => Ok(()),
        }
    }

    /// Tells the client to do something. What comes of it is an event.
    pub async fn send(&mut self, command: &Command) -> Result<()> {
        let mut line = serde_json::to_vec(command).context("failed to write the command")?;
        line.push(b'\n');
        let sent = self.commands.write_all(&line).await;
        sent.with_context(|| format!("{} takes no commands any more{}", self.name, self.history()))
    }

    /// Searches the network; returns the token of the search.
    pub async fn search(&mut self, query: &str) -> Result<u32> {
        self.start_search(
            &Command::Search {
                query: query.to_owned(),
            },
            query,
        )
        .await
    }

    /// Searches the files of one user; returns the token of the search.
    pub async fn search_user(&mut self, username: &str, query: &str) -> Result<u32> {
        let command = Command::SearchUser {
            username: username.to_owned(),
            query: query.to_owned(),
        };
        self.start_search(&command, query).await
    }

    async fn start_search(&mut self, command: &Command, words: &str) -> Result<u32> {
        let seen = self.events().len();
        self.send(command).await?;
        let sent = |event: &Event| {
            matches!(event, Event::SearchSent { query, .. } if query == words)
                || matches!(event, Event::Error { .. })
        };
        match self.wait_after(seen, sent).await? {
            Event::SearchSent { token, .. } => Ok(token),
            other => bail!("{} answered a search with {other:?}", self.name),
        }
    }

    /// Lets the client log out and waits until its process has ended.
    pub async fn quit(mut self) -> Result<ExitStatus> {
        self.send(&Command::Quit).await?;
        match timeout(PATIENCE, self.process.wait()).await {
            Ok(status) => status.with_context(|| format!("{} cannot be waited for", self.name)),
            Err(_) => bail!("{} did not quit{}", self.name, self.history()),
        }
    }

    /// The last that is known about the client, for the message of a failed test.
    fn history(&self) -> String {
        let mut text = String::from("\nits last events:\n");
        let output = self.output.borrow();
        for event in output.events.iter().rev().take(LAST_EVENTS).rev() {
            let _ = writeln!(text, "  {event:?}");
        }
        text.push_str("the end of its log:\n");
        for line in &*self.log.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = writeln!(text, "  {line}");
        }
        text
    }
}

async fn read_events(lines: impl AsyncBufRead + Unpin, output: watch::Sender<Output>, log: Log) {
    let mut lines = lines.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str(&line) {
            Ok(event) => output.send_modify(|output| output.events.push(event)),
            Err(error) => keep(&log, format!("not an event: {line} ({error})")),
        }
    }
    output.send_modify(|output| output.has_ended = true);
}

async fn read_log(lines: impl AsyncBufRead + Unpin, log: Log) {
    let mut lines = lines.split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        keep(&log, String::from_utf8_lossy(&line).into_owned());
    }
}

fn keep(log: &Log, line: String) {
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    if log.len() == LOG_LINES {
        log.pop_front();
    }
    log.push_back(line);
}
