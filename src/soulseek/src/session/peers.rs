//! Connections between peers: how they are opened (directly and the other way round at once), how the
//! first frame says what they are for, and an honest answer to users who ask what we share: nothing.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tracing::debug;

use super::config::Timing;
use super::net;
use crate::frame::{FrameReader, MAX_DISTRIBUTED};
use crate::messages::init::{ConnectionType, InitMessage, PeerInit};
use crate::messages::server::{
    CantConnectToPeer, ConnectToPeer, ConnectToPeerRequest, ServerRequest,
};
use crate::wire::DecodeError;

/// Connections whose first frame is still awaited, at a time.
const MAX_HANDSHAKES: usize = 256;
/// Users whom we dial because they asked, at a time.
const MAX_ANSWERS: usize = 64;
/// Users who are being served, at a time.
const MAX_SERVED: usize = 64;
/// Names longer than this are not names.
const MAX_NAME: usize = 256;

/// A connection after its first frame.
#[derive(Debug)]
pub(super) struct PeerConnection {
    pub(super) username: String,
    pub(super) connection_type: ConnectionType,
    pub(super) reader: FrameReader<OwnedReadHalf>,
    pub(super) writer: OwnedWriteHalf,
    /// Whether both sides obfuscate what follows.
    pub(super) obfuscated: bool,
}

impl PeerConnection {
    /// Only `P` connections stay obfuscated after the first frame.
    fn new(
        username: String,
        connection_type: ConnectionType,
        mut reader: FrameReader<OwnedReadHalf>,
        writer: OwnedWriteHalf,
        obfuscated: bool,
    ) -> Self {
        let obfuscated = obfuscated && connection_type == ConnectionType::Peer;
        reader.set_obfuscated(obfuscated);
        Self {
            username,
            connection_type,
            reader,
            writer,
            obfuscated,
        }
    }
}

/// Why a connection was closed at its first frame.
#[derive(Debug, thiserror::Error)]
enum HandshakeError {
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
    #[error("it cannot be read: {0}")]
    Decode(#[from] DecodeError),
    #[error("it did not come in time")]
    Silent,
    #[error("it answers a request that nobody made")]
    UnknownToken,
    #[error("the name in it is not one that a user may have")]
    Name,
    #[error("its code is {0}")]
    UnknownCode(u8),
}

/// A connection that we have asked a user to open.
#[derive(Debug)]
struct Awaited {
    username: String,
    connection_type: ConnectionType,
    opened: oneshot::Sender<PeerConnection>,
}

/// Opens and takes connections for one account.
#[derive(Debug, Clone)]
pub(super) struct Peers {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    own: String,
    timing: Timing,
    awaited: Mutex<HashMap<u32, Awaited>>,
    accepted: mpsc::Sender<PeerConnection>,
    handshakes: Semaphore,
    answers: Semaphore,
    served: Arc<Semaphore>,
}

impl Peers {
    /// Connections that others open arrive at `accepted`.
    pub(super) fn new(own: String, timing: Timing, accepted: mpsc::Sender<PeerConnection>) -> Self {
        let shared = Shared {
            own,
            timing,
            awaited: Mutex::default(),
            accepted,
            handshakes: Semaphore::new(MAX_HANDSHAKES),
            answers: Semaphore::new(MAX_ANSWERS),
            served: Arc::new(Semaphore::new(MAX_SERVED)),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Takes connections for as long as the listener lives.
    pub(super) async fn listen(self, listener: TcpListener, obfuscated: bool) {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of file descriptors or the like: others will be closed before long.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            let peers = self.clone();
            tokio::spawn(async move {
                let Ok(_permit) = peers.shared.handshakes.try_acquire() else {
                    return;
                };
                if let Err(error) = peers.accept(stream, obfuscated).await {
                    debug!(%error, "closed a peer connection at its first frame");
                }
            });
        }
    }

    /// Reads the first frame and hands the connection to whoever waits for it.
    async fn accept(&self, stream: TcpStream, obfuscated: bool) -> Result<(), HandshakeError> {
        net::prepare(&stream)?;
        let (reader, writer) = stream.into_split();
        let mut reader = FrameReader::new(reader, MAX_DISTRIBUTED);
        reader.set_obfuscated(obfuscated);
        let frame = timeout(self.shared.timing.handshake, reader.next())
            .await
            .map_err(|_| HandshakeError::Silent)??
            .ok_or(HandshakeError::Silent)?;
        match InitMessage::decode(&frame)? {
            InitMessage::PierceFirewall(token) => {
                let awaited = self
                    .awaited()
                    .remove(&token)
                    .ok_or(HandshakeError::UnknownToken)?;
                let Awaited {
                    username,
                    connection_type,
                    opened,
                } = awaited;
                let connection =
                    PeerConnection::new(username, connection_type, reader, writer, obfuscated);
                let _ = opened.send(connection);
            }
            InitMessage::PeerInit(init) => {
                let username = self.check_name(&init)?;
                let connection =
                    PeerConnection::new(username, init.connection_type, reader, writer, obfuscated);
                let _ = self.shared.accepted.send(connection).await;
            }
            InitMessage::Unknown { code, .. } => return Err(HandshakeError::UnknownCode(code)),
        }
        Ok(())
    }

    fn check_name(&self, init: &PeerInit) -> Result<String, HandshakeError> {
        let name = init.username.decode();
        let valid = !name.is_empty()
            && name.len() <= MAX_NAME
            && !name.chars().any(char::is_control)
            && name != "server"
            && name != self.shared.own;
        if valid {
            Ok(name.into_owned())
        } else {
            Err(HandshakeError::Name)
        }
    }

    /// Connects to a user: dials them and at the same time asks them, through the server, to dial us.
    /// What works first is used.
    pub(super) async fn connect(
        &self,
        username: &str,
        address: Option<SocketAddr>,
        connection_type: ConnectionType,
        server: Option<&mpsc::Sender<Bytes>>,
    ) -> Option<PeerConnection> {
        let direct = self.dial(username, address, connection_type);
        let indirect = self.ask(username, connection_type, server);
        tokio::pin!(direct, indirect);
        tokio::select! {
            connection = &mut direct => match connection {
                Some(connection) => Some(connection),
                None => indirect.await,
            },
            connection = &mut indirect => match connection {
                Some(connection) => Some(connection),
                None => direct.await,
            },
        }
    }

    async fn dial(
        &self,
        username: &str,
        address: Option<SocketAddr>,
        connection_type: ConnectionType,
    ) -> Option<PeerConnection> {
        let own = self.shared.own.as_str().into();
        let init = InitMessage::PeerInit(PeerInit {
            username: own,
            connection_type,
            token: 0,
        });
        self.open(username, address?, connection_type, &init).await
    }

    async fn open(
        &self,
        username: &str,
        address: SocketAddr,
        connection_type: ConnectionType,
        init: &InitMessage,
    ) -> Option<PeerConnection> {
        let stream = net::connect(address, self.shared.timing.connect)
            .await
            .ok()?;
        let (reader, mut writer) = stream.into_split();
        writer.write_all(&init.encode()).await.ok()?;
        let reader = FrameReader::new(reader, MAX_DISTRIBUTED);
        Some(PeerConnection::new(
            username.to_owned(),
            connection_type,
            reader,
            writer,
            false,
        ))
    }

    async fn ask(
        &self,
        username: &str,
        connection_type: ConnectionType,
        server: Option<&mpsc::Sender<Bytes>>,
    ) -> Option<PeerConnection> {
        let token = rand::random();
        let (opened, connection) = oneshot::channel();
        let awaited = Awaited {
            username: username.to_owned(),
            connection_type,
            opened,
        };
        self.awaited().insert(token, awaited);
        let _forget = Forget { peers: self, token };
        let request = ConnectToPeerRequest {
            token,
            username: username.into(),
            connection_type,
        };
        server?
            .try_send(ServerRequest::ConnectToPeer(request).encode())
            .ok()?;
        timeout(self.shared.timing.indirect, connection)
            .await
            .ok()?
            .ok()
    }

    /// A place for a user to be served, if there is one.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.served).try_acquire_owned().ok()
    }

    /// A user whom we asked to connect to us cannot.
    pub(super) fn cannot_connect(&self, token: u32) {
        self.awaited().remove(&token);
    }

    /// A user asks us to connect to them.
    pub(super) async fn answer(&self, request: ConnectToPeer, server: mpsc::Sender<Bytes>) {
        let Ok(_permit) = self.shared.answers.try_acquire() else {
            return;
        };
        let username = request.username.decode();
        let connection = match net::peer_address(request.address, request.port) {
            // There is nothing to upload or download here.
            Some(_) if request.connection_type == ConnectionType::File => None,
            Some(address) => {
                let init = InitMessage::PierceFirewall(request.token);
                self.open(&username, address, request.connection_type, &init)
                    .await
            }
            None => None,
        };
        if let Some(connection) = connection {
            let _ = self.shared.accepted.send(connection).await;
        } else {
            let cannot = CantConnectToPeer {
                token: request.token,
                username: request.username,
            };
            let _ = server.try_send(ServerRequest::CantConnectToPeer(cannot).encode());
        }
    }

    fn awaited(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Awaited>> {
        self.shared
            .awaited
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the token back when nobody waits for the connection any more.
struct Forget<'a> {
    peers: &'a Peers,
    token: u32,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.peers.awaited().remove(&self.token);
    }
}
