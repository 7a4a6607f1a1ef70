//! One account's session: it stays logged in, finds its place in the distributed tree, passes every
//! search on to its children and reports every search that it sees.
//!
//! One task ([`Session::run`]) owns all state. Tasks for the server, the listeners and each peer
//! connection read from the network and send it what they read over bounded channels. Events go out
//! over a bounded channel, too: a receiver that falls behind makes the session stop reading, so that
//! nothing is dropped on the way.

mod config;
mod event;
mod links;
mod net;
mod node;
mod peers;
mod server;
mod service;
mod tree;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

pub use self::config::{Config, Timing};
pub use self::event::{Event, Refusal, SearchSeen, Source, Status};
use self::links::Links;
use self::node::Node;
use self::peers::Peers;
use crate::messages::peer::UserInfo;
use crate::messages::server::{ObfuscatedPort, ServerRequest, SetWaitPort, SharedFoldersFiles};

/// Frames that may wait for the session between the network and its one task.
const INBOX: usize = 256;
/// How often time-outs of the tree are looked at.
const TICK: Duration = Duration::from_secs(1);
/// Online, as `SetStatus` has it.
const ONLINE: i32 = 2;
/// Obfuscation by rotation, as `SetWaitPort` has it.
const ROTATED: u32 = 1;

/// A port could not be opened, not even another one in its place.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for peers on port {port}")]
pub struct ListenError {
    port: u16,
    source: std::io::Error,
}

/// Where the session listens.
#[derive(Debug, Clone, Copy)]
struct ListenPorts {
    plain: u16,
    obfuscated: Option<u16>,
}

impl ListenPorts {
    /// What a client says right after its login, before it looks for a place in the tree.
    fn announcements(self) -> [ServerRequest; 3] {
        let obfuscated = self.obfuscated.map(|port| ObfuscatedPort {
            kind: ROTATED,
            port: port.into(),
        });
        [
            ServerRequest::SetWaitPort(SetWaitPort {
                port: self.plain.into(),
                obfuscated,
            }),
            ServerRequest::SharedFoldersFiles(SharedFoldersFiles {
                folders: 0,
                files: 0,
            }),
            ServerRequest::SetStatus(ONLINE),
        ]
    }
}

/// Something that a user of the session asks for.
#[derive(Debug)]
enum Command {
    PeerAddress(String, oneshot::Sender<Option<SocketAddr>>),
    UserInfo(String, SocketAddr, oneshot::Sender<Option<UserInfo>>),
    Search(u32, String, oneshot::Sender<()>),
}

/// Asks things of a running session.
#[derive(Debug, Clone)]
pub struct SessionHandle {
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
}

impl SessionHandle {
    /// Where the session stands, now and as it changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Where a user listens; `None` where the user or we are offline.
    pub async fn peer_address(&self, username: &str) -> Option<SocketAddr> {
        let (answer, address) = oneshot::channel();
        self.commands
            .send(Command::PeerAddress(username.to_owned(), answer))
            .await
            .ok()?;
        address.await.ok()?
    }

    /// Who a user says they are; `None` where the user cannot be reached.
    pub async fn user_info(&self, username: &str) -> Option<UserInfo> {
        let address = self.peer_address(username).await?;
        let (answer, info) = oneshot::channel();
        self.commands
            .send(Command::UserInfo(username.to_owned(), address, answer))
            .await
            .ok()?;
        info.await.ok()?
    }

    /// Searches the network. Says whether the search is on its way to the server, not what is found;
    /// `false` where we are offline.
    pub async fn search(&self, token: u32, query: &str) -> bool {
        let (sent, on_its_way) = oneshot::channel();
        let command = Command::Search(token, query.to_owned(), sent);
        self.commands.send(command).await.is_ok() && on_its_way.await.is_ok()
    }
}

/// A session that has its ports and is not connected yet.
#[derive(Debug)]
pub struct Session {
    config: Config,
    listeners: Vec<(TcpListener, bool)>,
    ports: ListenPorts,
    events: mpsc::Sender<Event>,
    commands: mpsc::Receiver<Command>,
    status: watch::Sender<Status>,
}

impl Session {
    /// Opens the ports. A port that another program has is replaced by one that the system chooses.
    pub async fn bind(
        config: Config,
        events: mpsc::Sender<Event>,
    ) -> Result<(Self, SessionHandle), ListenError> {
        let plain = listen(config.listen_port).await?;
        let mut ports = ListenPorts {
            plain: port_of(&plain, config.listen_port)?,
            obfuscated: None,
        };
        let mut listeners = vec![(plain, false)];
        if let Some(port) = config.obfuscated_port {
            let listener = listen(port).await?;
            ports.obfuscated = Some(port_of(&listener, port)?);
            listeners.push((listener, true));
        }
        let (commands, queue) = mpsc::channel(INBOX);
        let (status, seen) = watch::channel(Status {
            listen_port: ports.plain,
            ..Status::default()
        });
        let handle = SessionHandle {
            commands,
            status: seen,
        };
        Ok((
            Self {
                config,
                listeners,
                ports,
                events,
                commands: queue,
                status,
            },
            handle,
        ))
    }

    /// Runs until it is cancelled, or refused by the server ([`Event::Refused`]), or until nobody takes
    /// its events. What was read before the end is reported, also after a refusal.
    pub async fn run(self, cancelled: CancellationToken) {
        let Self {
            config,
            listeners,
            ports,
            events,
            mut commands,
            status,
        } = self;
        let (link_inputs, mut from_links) = mpsc::channel(INBOX);
        let (server_inputs, mut from_server) = mpsc::channel(INBOX);
        let (accepted, mut from_peers) = mpsc::channel(INBOX);
        let (dialled, mut from_dials) = mpsc::channel(INBOX);
        let peers = Peers::new(config.username.clone(), config.timing.clone(), accepted);
        let _listening: Vec<_> = listeners
            .into_iter()
            .map(|(listener, obfuscated)| peers.clone().listen(listener, obfuscated))
            .map(|listening| AbortOnDropHandle::new(tokio::spawn(listening)))
            .collect();
        // Ends reading from the network, also where this session ends by itself.
        let stop = CancellationToken::new();
        let _stop = stop.clone().drop_guard();
        let server = server::run(config.clone(), ports, server_inputs, stop.clone());
        tokio::spawn(server);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);

        let links = Links::new(link_inputs, stop.clone());
        let mut node = Node::new(config, links, peers, dialled, events, status);
        while !node.is_over() {
            tokio::select! {
                () = cancelled.cancelled() => break,
                Some(input) = from_server.recv() => node.on_server(input).await,
                Some(input) = from_links.recv() => node.on_link(input).await,
                Some(connection) = from_peers.recv() => node.on_peer(connection),
                Some((name, connection)) = from_dials.recv() => node.on_dialled(&name, connection),
                Some(command) = commands.recv() => node.on_command(command),
                _ = ticks.tick() => node.on_tick(),
            }
            node.carry_out().await;
        }
        // What was read before the end is still reported; the tree no longer changes.
        stop.cancel();
        node.forget_links_input();
        while let Some(input) = from_links.recv().await {
            node.on_link(input).await;
        }
        while let Some(input) = from_server.recv().await {
            node.on_server(input).await;
        }
    }
}

/// Listens on the port, or on any port where that one is taken: peers that we dial still work, and
/// the server is told the port that we have.
async fn listen(port: u16) -> Result<TcpListener, ListenError> {
    match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await {
        Err(error) if error.kind() == ErrorKind::AddrInUse && port != 0 => {
            warn!(
                port,
                "the port is taken by another program or region; listening on one that the system \
                 chooses, which peers reach only where no firewall is in the way"
            );
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await
        }
        other => other,
    }
    .map_err(|source| ListenError { port, source })
}

fn port_of(listener: &TcpListener, wanted: u16) -> Result<u16, ListenError> {
    let address = listener.local_addr();
    address
        .map(|address| address.port())
        .map_err(|source| ListenError {
            port: wanted,
            source,
        })
}
