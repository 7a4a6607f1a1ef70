//! One client's connection to the server: the login first, then an answer to each request.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use fleet_soulseek::frame::FrameReader;
use fleet_soulseek::messages::distributed::{SEARCH_IDENTIFIER, Search};
use fleet_soulseek::messages::server::{
    ConnectToPeer, ConnectToPeerRequest, Embedded, FileSearch, FoundUser, MessageUser, PeerAddress,
    RoomList, ServerRequest, ServerResponse, UserStats, UserStatus, WatchedUser,
};
use fleet_soulseek::wire::Text;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::Shared;
use super::users::LoginOutcome;

/// The longest frame that the server reads, in bytes; a client that sends more is disconnected.
const MAX_REQUEST: usize = 8192;
/// The longest query that is distributed, in bytes; longer ones are dropped without a word.
const MAX_QUERY: usize = 256;
/// Frames that may wait for a client.
const OUTBOX: usize = 4096;
/// A client that does not log in is disconnected after this time.
const LOGIN_TIME: Duration = Duration::from_mins(1);
const PARENT_MIN_SPEED: u32 = 1;
const PARENT_SPEED_RATIO: u32 = 50;
const WISHLIST_SECONDS: u32 = 720;

/// Serves one client until either side has enough.
pub(super) async fn serve(shared: &Shared, stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let IpAddr::V4(address) = stream.peer_addr()?.ip() else {
        return Ok(());
    };
    let (reader, mut writer) = stream.into_split();
    let mut reader = FrameReader::new(reader, MAX_REQUEST);
    let (outbox, mut frames) = mpsc::channel::<Bytes>(OUTBOX);
    let closed = CancellationToken::new();
    let writing = async {
        while let Some(frame) = frames.recv().await {
            writer.write_all(&frame).await?;
        }
        writer.shutdown().await
    };
    let reading = async {
        let name = log_in(shared, &mut reader, address, outbox, &closed).await?;
        let end = closed
            .run_until_cancelled(answer(shared, &name, &mut reader))
            .await;
        // Unless a newer session has taken the name over, the user is offline now.
        if end.is_some() {
            shared.users().online.remove(&name);
        }
        Some(())
    };
    let (written, _) = tokio::join!(writing, reading);
    written
}

async fn log_in(
    shared: &Shared,
    reader: &mut FrameReader<OwnedReadHalf>,
    address: Ipv4Addr,
    outbox: mpsc::Sender<Bytes>,
    closed: &CancellationToken,
) -> Option<String> {
    let login = loop {
        let frame = timeout(LOGIN_TIME, reader.next()).await.ok()?.ok()??;
        // Nothing but a login is looked at before it.
        if let Ok(ServerRequest::Login(login)) = ServerRequest::decode(&frame) {
            break login;
        }
    };
    let mut after = vec![
        ServerResponse::ParentMinSpeed(PARENT_MIN_SPEED),
        ServerResponse::ParentSpeedRatio(PARENT_SPEED_RATIO),
        ServerResponse::WishlistInterval(WISHLIST_SECONDS),
        ServerResponse::PrivilegedUsers(Vec::new()),
        ServerResponse::ExcludedSearchPhrases(Vec::new()),
    ];
    let outcome = shared
        .users()
        .log_in(&login, address, outbox.clone(), closed.clone());
    match outcome {
        LoginOutcome::In(response) => {
            after.insert(0, *response);
            for response in after {
                outbox.send(response.encode()).await.ok()?;
            }
            let name = login.username.decode().into_owned();
            debug!(user = %name, "logged in");
            Some(name)
        }
        LoginOutcome::Refused(response) => {
            outbox.send(response.encode()).await.ok()?;
            None
        }
        LoginOutcome::Silence => {
            tokio::time::sleep(LOGIN_TIME).await;
            None
        }
    }
}

async fn answer(shared: &Shared, name: &str, reader: &mut FrameReader<OwnedReadHalf>) {
    while let Ok(Some(frame)) = reader.next().await {
        let Ok(request) = ServerRequest::decode(&frame) else {
            continue;
        };
        match request {
            ServerRequest::FileSearch(search) | ServerRequest::WishlistSearch(search) => {
                if search.query.as_bytes().len() <= MAX_QUERY {
                    shared
                        .distribute(name.into(), search.token, search.query)
                        .await;
                }
            }
            request => {
                for (to, response) in responses(shared, name, request) {
                    shared.send(&to, &response);
                }
            }
        }
    }
}

/// Whom to tell what because of a request.
fn responses(shared: &Shared, name: &str, request: ServerRequest) -> Vec<(String, ServerResponse)> {
    let mut users = shared.users();
    let to_self = |response| vec![(name.to_owned(), response)];
    match request {
        ServerRequest::HaveNoParent(wants) => users.set_wants_parent(name, wants),
        ServerRequest::SendUploadSpeed(speed) => {
            users.speeds.insert(name.to_owned(), speed);
        }
        ServerRequest::GetPeerAddress(username) => {
            let online = users.online.get(&*username.decode());
            return to_self(ServerResponse::GetPeerAddress(PeerAddress {
                address: online.map_or(Ipv4Addr::UNSPECIFIED, |online| online.address),
                port: online.map_or(0, |online| online.port),
                obfuscation: Some(
                    online
                        .is_some_and(|online| online.obfuscated_port.is_some())
                        .into(),
                ),
                obfuscated_port: Some(
                    online
                        .and_then(|online| online.obfuscated_port)
                        .and_then(|port| u16::try_from(port).ok())
                        .unwrap_or_default(),
                ),
                username,
            }));
        }
        ServerRequest::WatchUser(username) => {
            let who = username.decode().into_owned();
            let found = users.exists(&who).then(|| FoundUser {
                status: users.online.get(&who).map_or(0, |online| online.status),
                stats: users.stats(&who),
                country: Some("".into()),
            });
            return to_self(ServerResponse::WatchUser(WatchedUser { username, found }));
        }
        ServerRequest::GetUserStatus(username) => {
            let status = users
                .online
                .get(&*username.decode())
                .map_or(0, |online| online.status);
            let status = UserStatus {
                username,
                status,
                privileged: false,
            };
            return to_self(ServerResponse::GetUserStatus(status));
        }
        ServerRequest::GetUserStats(username) => {
            let stats = users.stats(&username.decode());
            return to_self(ServerResponse::GetUserStats(UserStats { username, stats }));
        }
        ServerRequest::ConnectToPeer(request) => {
            let target = request.username.decode().into_owned();
            if !users.online.contains_key(&target) {
                return to_self(ServerResponse::CantConnectToPeer(request.token));
            }
            let Some(online) = users.online.get(name) else {
                return Vec::new();
            };
            let address = online.address;
            let (port, obfuscated) = (online.port, online.obfuscated_port);
            return vec![(target, relayed(name, &request, address, port, obfuscated))];
        }
        ServerRequest::CantConnectToPeer(cannot) => {
            let target = cannot.username.decode().into_owned();
            return vec![(target, ServerResponse::CantConnectToPeer(cannot.token))];
        }
        ServerRequest::UserSearch(search) => {
            let found = FileSearch {
                username: name.into(),
                token: search.token,
                query: search.query,
            };
            return vec![(
                search.username.decode().into_owned(),
                ServerResponse::FileSearch(found),
            )];
        }
        ServerRequest::MessageUser(message) => {
            let target = message.username.decode().into_owned();
            return vec![(target, shared.private_message(name.into(), message.text))];
        }
        ServerRequest::CheckPrivileges => return to_self(ServerResponse::CheckPrivileges(0)),
        ServerRequest::RoomList => return to_self(ServerResponse::RoomList(no_rooms())),
        request => {
            if let Some(online) = users.online.get_mut(name) {
                remember(online, request);
            }
        }
    }
    Vec::new()
}

fn remember(online: &mut super::users::Online, request: ServerRequest) {
    match request {
        ServerRequest::SetWaitPort(ports) => {
            online.port = ports.port;
            online.obfuscated_port = ports
                .obfuscated
                .filter(|port| port.kind != 0)
                .map(|port| port.port);
        }
        ServerRequest::SetStatus(status) => {
            online.status = u32::try_from(status).unwrap_or_default();
        }
        ServerRequest::SharedFoldersFiles(shared) => {
            online.folders = shared.folders;
            online.files = shared.files;
        }
        ServerRequest::AcceptChildren(accepts) => online.accepts_children = accepts,
        ServerRequest::BranchLevel(level) => online.level = level,
        ServerRequest::BranchRoot(root) => online.root = root.decode().into_owned(),
        other => debug!(?other, "nothing to do for a request"),
    }
}

fn relayed(
    name: &str,
    request: &ConnectToPeerRequest,
    address: Ipv4Addr,
    port: u32,
    obfuscated: Option<u32>,
) -> ServerResponse {
    ServerResponse::ConnectToPeer(ConnectToPeer {
        username: name.into(),
        connection_type: request.connection_type,
        address,
        port,
        token: request.token,
        privileged: false,
        obfuscation: Some(obfuscated.is_some().into()),
        obfuscated_port: Some(obfuscated.unwrap_or_default()),
    })
}

fn no_rooms() -> RoomList {
    RoomList {
        names: Vec::new(),
        counts: Vec::new(),
        owned: Vec::new(),
        owned_counts: Vec::new(),
        private: Vec::new(),
        private_counts: Vec::new(),
        operated: Vec::new(),
    }
}

/// A search as the server sends it to branch roots.
pub(super) fn embedded(username: Text, token: u32, query: Text) -> Bytes {
    let search = Search {
        identifier: SEARCH_IDENTIFIER,
        username,
        token,
        query,
    };
    ServerResponse::Embedded(Embedded::search(&search)).encode()
}

/// A private message; `id` must be acknowledged.
pub(super) fn private_message(id: u32, from: Text, text: Text) -> ServerResponse {
    ServerResponse::MessageUser(MessageUser {
        id,
        time: 0,
        username: from,
        text,
        new: Some(true),
    })
}
