//! The one task that owns a session's state: what comes in changes the tree or is a search; what the
//! tree wants done is carried out.

use std::net::SocketAddr;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::Command;
use super::config::Config;
use super::event::{Event, SearchSeen, Source, Status};
use super::links::{LinkInput, Links};
use super::net;
use super::peers::{PeerConnection, Peers};
use super::server::ServerInput;
use super::service;
use super::tree::{Action, LinkId, Tree, Verdict};
use crate::frame::Frame;
use crate::messages::distributed::{self, DistributedMessage, SEARCH_IDENTIFIER, Search};
use crate::messages::init::ConnectionType;
use crate::messages::server::{
    Embedded, FileSearchRequest, MessageUser, PossibleParent, ServerRequest, ServerResponse,
};
use crate::wire::{DecodeError, Reader, Text, Wire};

/// Private messages from this user are the server's own.
const SERVER_USER: &str = "server";

/// A user whose address somebody waits for.
#[derive(Debug)]
struct AddressWanted {
    username: String,
    answer: oneshot::Sender<Option<SocketAddr>>,
}

/// A dial that has ended: whom, and the connection where there is one.
pub(super) type Dialled = (String, Option<PeerConnection>);

#[derive(Debug)]
pub(super) struct Node {
    config: Config,
    tree: Tree,
    links: Links,
    peers: Peers,
    dialled: mpsc::Sender<Dialled>,
    events: mpsc::Sender<Event>,
    status: watch::Sender<Status>,
    /// Frames for the server, while we are logged in.
    server: Option<mpsc::Sender<Bytes>>,
    wanted: Vec<AddressWanted>,
    rejected: u64,
    refused: bool,
}

impl Node {
    pub(super) fn new(
        config: Config,
        links: Links,
        peers: Peers,
        dialled: mpsc::Sender<Dialled>,
        events: mpsc::Sender<Event>,
        status: watch::Sender<Status>,
    ) -> Self {
        let tree = Tree::new(
            config.username.clone(),
            config.timing.parent_silence,
            config.timing.candidate,
            config.max_children,
            Instant::now(),
        );
        Self {
            config,
            tree,
            links,
            peers,
            dialled,
            events,
            status,
            server: None,
            wanted: Vec::new(),
            rejected: 0,
            refused: false,
        }
    }

    /// Whether the server does not want us, or nobody takes the events any more.
    pub(super) fn is_over(&self) -> bool {
        self.refused || self.events.is_closed()
    }

    /// No link is added any more, so that what they deliver comes to an end.
    pub(super) fn forget_links_input(&mut self) {
        self.links.end();
    }

    pub(super) async fn on_server(&mut self, input: ServerInput) {
        match input {
            ServerInput::Up(outbox) => {
                self.server = Some(outbox);
                if self.config.distributed {
                    self.tree.on_login();
                } else {
                    self.tell_server(&ServerRequest::HaveNoParent(false));
                    self.tell_server(&ServerRequest::AcceptChildren(false));
                }
                self.tell_server(&ServerRequest::WatchUser(
                    self.config.username.as_str().into(),
                ));
                self.report(Event::Connected).await;
            }
            ServerInput::Message(at, message) => self.on_message(at, message).await,
            ServerInput::Rejected => self.rejected += 1,
            ServerInput::Down { reason, retry_in } => {
                self.server_gone();
                self.report(Event::Disconnected { reason, retry_in }).await;
            }
            ServerInput::Refused(refusal) => {
                self.server_gone();
                self.refused = true;
                self.report(Event::Refused(refusal)).await;
            }
        }
    }

    fn server_gone(&mut self) {
        self.server = None;
        self.wanted.clear();
        self.tree.on_server_lost();
    }

    async fn on_message(&mut self, at: Instant, message: ServerResponse) {
        match message {
            ServerResponse::Embedded(_)
            | ServerResponse::PossibleParents(_)
            | ServerResponse::ResetDistributed
                if !self.config.distributed => {}
            ServerResponse::Embedded(embedded) => self.on_embedded(at, embedded).await,
            ServerResponse::FileSearch(search) => {
                self.take(
                    at,
                    search.username,
                    search.token,
                    search.query,
                    Source::Direct,
                )
                .await;
            }
            ServerResponse::PossibleParents(parents) => {
                self.tree.on_possible_parents(parents, Instant::now());
            }
            ServerResponse::ParentMinSpeed(speed) => self.tree.on_min_speed(speed),
            ServerResponse::ParentSpeedRatio(ratio) => self.tree.on_speed_ratio(ratio),
            ServerResponse::ResetDistributed => self.tree.on_reset(),
            ServerResponse::WatchUser(user) => {
                if let Some(found) = user.found
                    && user.username.as_bytes() == self.config.username.as_bytes()
                {
                    self.tree.on_speed(found.stats.speed);
                }
            }
            ServerResponse::GetUserStats(user) => {
                if user.username.as_bytes() == self.config.username.as_bytes() {
                    self.tree.on_speed(user.stats.speed);
                }
            }
            ServerResponse::ConnectToPeer(request) => {
                if let Some(server) = self.server.clone() {
                    let peers = self.peers.clone();
                    tokio::spawn(async move { peers.answer(request, server).await });
                }
            }
            ServerResponse::CantConnectToPeer(token) => self.peers.cannot_connect(token),
            ServerResponse::GetPeerAddress(found) => {
                let address = net::peer_address(found.address, found.port);
                self.on_address(&found.username.decode(), address);
            }
            ServerResponse::MessageUser(message) => self.on_private_message(message).await,
            ServerResponse::AdminMessage(text) => {
                self.report(Event::Notice(text.decode().into_owned())).await;
            }
            ServerResponse::Unknown { code, .. } => {
                debug!(code, "skipped a message that is not known");
            }
            // Not what it says: names of users stand in it.
            _ => debug!("nothing to do for a message from the server"),
        }
    }

    async fn on_embedded(&mut self, at: Instant, embedded: Embedded) {
        if embedded.code != distributed::SEARCH {
            return;
        }
        match read_search(&embedded.body) {
            Ok(Some(search)) => {
                let Verdict::Take { forward } = self.tree.on_server_search(at) else {
                    return;
                };
                if forward {
                    self.forward(&distributed::search_frame(&embedded.body));
                }
                self.take(
                    at,
                    search.username,
                    search.token,
                    search.query,
                    Source::Server,
                )
                .await;
            }
            Ok(None) => {}
            Err(error) => self.reject(&error),
        }
    }

    /// Bans and the like are told in private messages; each comes again until it is acknowledged.
    async fn on_private_message(&mut self, message: MessageUser) {
        self.tell_server(&ServerRequest::MessageAcked(message.id));
        if message.username.as_bytes() == SERVER_USER.as_bytes() {
            self.report(Event::Notice(message.text.decode().into_owned()))
                .await;
        }
    }

    pub(super) async fn on_link(&mut self, input: LinkInput) {
        match input {
            LinkInput::Closed(id) => {
                self.links.close(id);
                self.tree.on_closed(id);
            }
            LinkInput::Frame(id, at, frame) => match DistributedMessage::decode(&frame) {
                Ok(message) => self.on_distributed(id, at, message, frame).await,
                Err(error) => self.reject(&error),
            },
        }
    }

    async fn on_distributed(
        &mut self,
        id: LinkId,
        at: Instant,
        message: DistributedMessage,
        frame: Frame,
    ) {
        let (search, frame, source) = match message {
            DistributedMessage::Search(search) if search.identifier == SEARCH_IDENTIFIER => {
                (search, frame.into_bytes(), Source::Parent)
            }
            DistributedMessage::Embedded {
                code: distributed::SEARCH,
                body,
                ..
            } => match read_search(&body) {
                Ok(Some(search)) => (search, distributed::search_frame(&body), Source::Embedded),
                Ok(None) => return,
                Err(error) => return self.reject(&error),
            },
            DistributedMessage::BranchLevel(level) => return self.tree.on_level(id, level),
            DistributedMessage::BranchRoot(root) => return self.tree.on_root(id, &root.decode()),
            _ => return,
        };
        if let Verdict::Take { forward } = self.tree.on_search(id, at) {
            if forward {
                self.forward(&frame);
            }
            self.take(at, search.username, search.token, search.query, source)
                .await;
        }
    }

    /// Passes a search on to all children. One that does not keep up is dropped.
    fn forward(&mut self, frame: &Bytes) {
        let slow: Vec<_> = self
            .tree
            .children()
            .filter(|&id| !self.links.send(id, frame.clone()))
            .collect();
        for id in slow {
            info!("dropped a child that does not keep up");
            self.links.close(id);
            self.tree.on_closed(id);
            self.publish_status();
        }
    }

    /// Reports a search. Our own come back to us through the tree; they are left out.
    async fn take(&mut self, at: Instant, username: Text, token: u32, query: Text, source: Source) {
        if username.as_bytes() == self.config.username.as_bytes() {
            return;
        }
        // What comes from the server itself has passed nobody.
        let branch_level = if source == Source::Server {
            0
        } else {
            self.tree.level()
        };
        let search = SearchSeen {
            at,
            username,
            token,
            query,
            source,
            branch_level,
        };
        self.report(Event::Search(search)).await;
        if matches!(source, Source::Parent | Source::Embedded) {
            // The receiver of events may have kept us waiting for long: that was not the parent's silence.
            self.tree.on_search_done(Instant::now());
        }
    }

    fn reject(&mut self, error: &DecodeError) {
        self.rejected += 1;
        debug!(%error, "skipped a frame");
    }

    /// A connection that another user opened, or that we opened because they asked.
    pub(super) fn on_peer(&mut self, connection: PeerConnection) {
        match connection.connection_type {
            ConnectionType::Distributed => {
                let username = connection.username.clone();
                let id = self.links.add(connection);
                self.tree.on_incoming(&username, id);
            }
            ConnectionType::Peer => {
                let Some(place) = self.peers.place() else {
                    return;
                };
                let Config {
                    username,
                    description,
                    timing,
                    ..
                } = self.config.clone();
                tokio::spawn(async move {
                    let _place = place;
                    service::serve(connection, &username, &description, timing.peer_idle).await
                });
            }
            // We never upload or download.
            ConnectionType::File => {}
        }
    }

    pub(super) fn on_dialled(&mut self, username: &str, connection: Option<PeerConnection>) {
        let id = connection.map(|connection| self.links.add(connection));
        self.tree.on_dialled(username, id, Instant::now());
    }

    pub(super) fn on_tick(&mut self) {
        self.tree.on_tick(Instant::now());
        self.publish_status();
    }

    pub(super) fn on_command(&mut self, command: Command) {
        match command {
            Command::PeerAddress(username, answer) => {
                // Dropping `answer` says that we are offline.
                if self.server.is_some() {
                    self.tell_server(&ServerRequest::GetPeerAddress(username.as_str().into()));
                    self.wanted.retain(|wanted| !wanted.answer.is_closed());
                    self.wanted.push(AddressWanted { username, answer });
                }
            }
            Command::UserInfo(username, address, answer) => {
                let (peers, server) = (self.peers.clone(), self.server.clone());
                let idle = self.config.timing.peer_idle;
                tokio::spawn(async move {
                    let kind = ConnectionType::Peer;
                    let connection = peers
                        .connect(&username, Some(address), kind, server.as_ref())
                        .await;
                    let info = match connection {
                        Some(connection) => service::user_info(connection, idle).await,
                        None => None,
                    };
                    let _ = answer.send(info);
                });
            }
            Command::Search(token, query, sent) => {
                let request = FileSearchRequest {
                    token,
                    query: query.as_str().into(),
                };
                self.tell_server(&ServerRequest::FileSearch(request));
                // Dropping `sent` says that we are offline.
                if self.server.is_some() {
                    let _ = sent.send(());
                }
            }
        }
    }

    fn on_address(&mut self, username: &str, address: Option<SocketAddr>) {
        let (found, waiting) = std::mem::take(&mut self.wanted)
            .into_iter()
            .partition(|wanted: &AddressWanted| wanted.username == username);
        self.wanted = waiting;
        for wanted in found {
            let _ = wanted.answer.send(address);
        }
    }

    /// Does what the tree wants done.
    pub(super) async fn carry_out(&mut self) {
        if !self.tree.has_actions() {
            return;
        }
        while self.tree.has_actions() {
            for action in self.tree.take_actions() {
                self.carry_out_one(action).await;
            }
        }
        self.publish_status();
    }

    async fn carry_out_one(&mut self, action: Action) {
        match action {
            Action::Server(request) => self.tell_server(&request),
            Action::Send(id, message) => {
                // A neighbour that does not read is dropped with the next search.
                self.links.send(id, message.encode());
            }
            Action::Close(id) => self.links.close(id),
            Action::Dial(candidate) => self.dial(candidate),
            Action::ParentFound { level } => self.report(Event::ParentFound { level }).await,
            Action::ParentLost { reason } => self.report(Event::ParentLost { reason }).await,
            Action::BecameRoot => self.report(Event::BecameRoot).await,
        }
    }

    fn publish_status(&self) {
        self.status.send_if_modified(|status| {
            let now = Status {
                connected: self.server.is_some(),
                has_parent: self.tree.has_parent(),
                is_root: self.tree.is_root(),
                branch_level: self.tree.level(),
                children: self.tree.children().count(),
                listen_port: status.listen_port,
                rejected_frames: self.rejected,
            };
            let changed = *status != now;
            *status = now;
            changed
        });
    }

    fn dial(&self, candidate: PossibleParent) {
        let (peers, server, dialled) = (
            self.peers.clone(),
            self.server.clone(),
            self.dialled.clone(),
        );
        tokio::spawn(async move {
            let username = candidate.username.decode().into_owned();
            let address = net::peer_address(candidate.address, candidate.port);
            let kind = ConnectionType::Distributed;
            let connection = peers
                .connect(&username, address, kind, server.as_ref())
                .await;
            let _ = dialled.send((username, connection)).await;
        });
    }

    fn tell_server(&mut self, request: &ServerRequest) {
        let Some(server) = &self.server else { return };
        if server.try_send(request.encode()).is_err() {
            // Letting go of the outbox ends the connection; its task reports that.
            warn!("the server does not read what we send");
            self.server = None;
        }
    }

    async fn report(&self, event: Event) {
        // `is_over` sees that nobody takes events any more.
        let _ = self.events.send(event).await;
    }
}

/// The search inside an embedded message, unless it is not a real one.
fn read_search(body: &Bytes) -> Result<Option<Search>, DecodeError> {
    let search = Search::read(&mut Reader::new(body.clone()))?;
    Ok((search.identifier == SEARCH_IDENTIFIER).then_some(search))
}
