//! Drives a client on the library soulseek-rs: its events out on standard output, commands of the test in on
//! standard input (`protocol.rs`). Ends when the input does.
//!
//! The library has no event of its own for what it sees, so its state is looked at every few milliseconds. It
//! never tells which searches come in; whether they did shows in its answers and in what its children get.

use std::{
    collections::{BTreeSet, HashMap},
    io::{self, BufRead, Write},
    path::PathBuf,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Parser;
use fleet_tests::protocol::{Command, Event};
use soulseek_rs::{Client, ClientSettings, PeerAddress};

const POLL: Duration = Duration::from_millis(50);

#[derive(Parser)]
struct Options {
    /// HOST:PORT
    #[arg(long)]
    server: String,
    #[arg(long)]
    username: String,
    #[arg(long)]
    password: String,
    #[arg(long)]
    listen_port: u16,
    /// A folder whose files are shared
    #[arg(long)]
    share: Option<PathBuf>,
    /// Not used: this client writes nothing
    #[arg(long)]
    home: PathBuf,
    /// Take children, if the upload speed that the server reports allows it
    #[arg(long)]
    accept_children: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let commands = read_commands();
    let mut client = Client::with_settings(settings(&options)?);
    client.connect().context("failed to connect")?;
    match client.login() {
        Ok(true) => emit(&Event::Online)?,
        Ok(false) => emit(&Event::Refused {
            reason: "refused".to_owned(),
        })?,
        Err(error) => emit(&Event::Refused {
            reason: error.to_string(),
        })?,
    }
    Driver::new(client).run(&commands)
}

fn settings(options: &Options) -> Result<ClientSettings> {
    let (host, port) = options
        .server
        .rsplit_once(':')
        .context("the server is not HOST:PORT")?;
    let port = port.parse().context("the server's port is not a number")?;
    Ok(ClientSettings {
        server_address: PeerAddress::new(host.to_owned(), port),
        listen_port: options.listen_port,
        shared_directories: options
            .share
            .iter()
            .map(|folder| folder.display().to_string())
            .collect(),
        accept_children: options.accept_children,
        ..ClientSettings::new(&options.username, &options.password)
    })
}

/// The commands of the test; the channel closes when the test is gone.
fn read_commands() -> Receiver<Command> {
    let (sender, commands) = mpsc::channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let Ok(command) = serde_json::from_str(&line) else {
                break;
            };
            if sender.send(command).is_err() {
                break;
            }
        }
    });
    commands
}

fn emit(event: &Event) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, event)?;
    out.write_all(b"\n")?;
    out.flush()
}

struct Driver {
    client: Client,
    last_parent: Option<Event>,
    last_children: Option<Event>,
    is_online: bool,
    /// Answers reported so far, by token.
    results: HashMap<u32, usize>,
    asked_info: BTreeSet<String>,
    asked_shares: BTreeSet<String>,
}

impl Driver {
    fn new(client: Client) -> Self {
        Self {
            client,
            last_parent: None,
            last_children: None,
            is_online: true,
            results: HashMap::new(),
            asked_info: BTreeSet::new(),
            asked_shares: BTreeSet::new(),
        }
    }

    fn run(&mut self, commands: &Receiver<Command>) -> Result<()> {
        loop {
            match commands.recv_timeout(POLL) {
                Ok(Command::Quit) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Ok(command) => {
                    if let Err(error) = self.obey(&command) {
                        emit(&Event::Error {
                            message: format!("{command:?}: {error}"),
                        })?;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.report_place()?;
            self.report_results()?;
            self.report_answers()?;
        }
    }

    fn obey(&mut self, command: &Command) -> Result<()> {
        match command {
            Command::Search { query } => {
                self.client.search(query, Duration::ZERO)?;
                self.search_sent(query)?;
            }
            Command::SearchUser { username, query } => {
                self.client.search_user(username, query)?;
                self.search_sent(query)?;
            }
            Command::UserInfo { username } => {
                self.client.request_peer_info(username)?;
                self.asked_info.insert(username.clone());
            }
            Command::Browse { username } => {
                self.client.browse_user(username)?;
                self.asked_shares.insert(username.clone());
            }
            Command::Quit => {}
        }
        Ok(())
    }

    fn search_sent(&self, query: &str) -> Result<()> {
        let searches = self.client.get_all_searches();
        let token = searches
            .get(query)
            .context("the search is not registered")?
            .token;
        emit(&Event::SearchSent {
            token,
            query: query.to_owned(),
        })?;
        Ok(())
    }

    /// Session, parent and children, when they changed.
    fn report_place(&mut self) -> Result<()> {
        if self.is_online && self.client.session_loss().is_some() {
            self.is_online = false;
            emit(&Event::Offline)?;
        }
        let (root, level) = self.client.distributed_branch();
        let parent = Event::Parent {
            username: None,
            root: (level > 0).then_some(root),
            level,
        };
        if self.last_parent.as_ref() != Some(&parent) {
            emit(&parent)?;
            self.last_parent = Some(parent);
        }
        let mut usernames = self.client.children();
        usernames.sort();
        let children = Event::Children { usernames };
        if self.last_children.as_ref() != Some(&children) {
            emit(&children)?;
            self.last_children = Some(children);
        }
        Ok(())
    }

    fn report_results(&mut self) -> Result<()> {
        for search in self.client.get_all_searches().into_values() {
            let reported = self.results.entry(search.token).or_default();
            for result in search.results.into_iter().skip(*reported) {
                *reported += 1;
                let files = result.files.into_iter().map(|file| file.name).collect();
                emit(&Event::SearchResult {
                    username: result.username,
                    token: search.token,
                    files,
                })?;
            }
        }
        Ok(())
    }

    fn report_answers(&mut self) -> Result<()> {
        let client = &self.client;
        let infos = self
            .asked_info
            .iter()
            .filter_map(|name| Some((name.clone(), client.peer_info(name)?)));
        for (username, info) in infos.collect::<Vec<_>>() {
            self.asked_info.remove(&username);
            emit(&Event::UserInfo {
                username,
                description: info.description,
                upload_slots: info.total_uploads,
                queue_size: info.queue_size,
                slots_free: info.slots_free,
            })?;
        }
        let shares = self
            .asked_shares
            .iter()
            .filter_map(|name| Some((name.clone(), client.take_browse_result(name)?)));
        for (username, directories) in shares.collect::<Vec<_>>() {
            self.asked_shares.remove(&username);
            let paths = |dir: &soulseek_rs::SharedDirectory| {
                let paths = dir
                    .files
                    .iter()
                    .map(|file| format!("{}\\{}", dir.name, file.name));
                paths.collect::<Vec<_>>()
            };
            emit(&Event::Shares {
                username,
                files: directories.iter().flat_map(paths).collect(),
            })?;
        }
        Ok(())
    }
}
