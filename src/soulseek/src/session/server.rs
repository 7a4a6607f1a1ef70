//! The connection to the server: log in, stay, come back with growing pauses, stop for good where the
//! server does not want us.

use std::net::SocketAddr;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info};

use super::config::{Config, Timing};
use super::event::Refusal;
use super::net;
use crate::frame::{FrameReader, MAX_SERVER};
use crate::messages::server::{Login, LoginResponse, ServerRequest, ServerResponse};

/// The minor version must not be 0: the official server would never offer a parent.
const MINOR_VERSION: u32 = 1;
/// Requests that may wait for the server to read. It reads few; one that reads none is gone.
const OUTBOX: usize = 256;

/// What the server connection tells the session.
#[derive(Debug)]
pub(super) enum ServerInput {
    /// Logged in; frames for the server go here.
    Up(mpsc::Sender<Bytes>),
    /// A message, and when it was read.
    Message(Instant, ServerResponse),
    /// A frame that could not be read was skipped.
    Rejected,
    /// Gone; the next try is made after the time given.
    Down { reason: String, retry_in: Duration },
    /// Gone for good.
    Refused(Refusal),
}

/// Why a connection ended, where another try makes sense.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("cannot find the address of {0}")]
    Resolve(String),
    #[error("cannot reach {server}: {source}")]
    Connect {
        server: String,
        source: std::io::Error,
    },
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
    #[error("the server closed the connection")]
    Closed,
    #[error("the server closed the connection instead of answering the login")]
    ClosedAtLogin,
    #[error(
        "the server does not answer the login; that is how it treats a banned account or address"
    )]
    Silent,
    #[error("the server is full")]
    Full,
    #[error("the server has not answered for {0:?}")]
    NoLife(Duration),
    #[error("the server's answer to the login cannot be read: {0}")]
    Decode(#[from] crate::wire::DecodeError),
}

enum End {
    Lost(Lost),
    Refused(Refusal),
    /// Nobody listens to us any more.
    Unwanted,
}

impl<E: Into<Lost>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Lost(error.into())
    }
}

/// Keeps the connection until it is refused or nobody wants its messages.
pub(super) async fn run(
    config: Config,
    listen: super::ListenPorts,
    inputs: mpsc::Sender<ServerInput>,
) {
    let mut backoff = backoff(&config.timing);
    loop {
        let mut up_since = None;
        let end = connection(&config, listen, &inputs, &mut up_since).await;
        let lost = match end {
            End::Unwanted => return,
            End::Refused(refusal) => {
                let _ = inputs.send(ServerInput::Refused(refusal)).await;
                return;
            }
            End::Lost(lost) => lost,
        };
        if up_since.is_some_and(|since: Instant| since.elapsed() >= config.timing.stable) {
            backoff = self::backoff(&config.timing);
        }
        let retry_in = match lost {
            Lost::Silent => config.timing.banned,
            Lost::Full => config.timing.server_full,
            _ => backoff.next().unwrap_or(config.timing.retry_max),
        };
        let down = ServerInput::Down {
            reason: lost.to_string(),
            retry_in,
        };
        if inputs.send(down).await.is_err() {
            return;
        }
        sleep(retry_in).await;
    }
}

/// Doubling waits with jitter, without an end.
fn backoff(timing: &Timing) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(timing.retry_min)
        .with_max_delay(timing.retry_max)
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .build()
}

async fn connection(
    config: &Config,
    listen: super::ListenPorts,
    inputs: &mpsc::Sender<ServerInput>,
    up_since: &mut Option<Instant>,
) -> End {
    let (mut reader, writer) = match log_in(config).await {
        Ok(halves) => halves,
        Err(end) => return end,
    };
    *up_since = Some(Instant::now());
    let (outbox, frames) = mpsc::channel(OUTBOX);
    let mut writing = tokio::spawn(net::write_frames(writer, frames));
    for request in listen.announcements() {
        let _ = outbox.try_send(request.encode());
    }
    if inputs.send(ServerInput::Up(outbox.clone())).await.is_err() {
        return End::Unwanted;
    }
    let end = tokio::select! {
        end = read_messages(&mut reader, inputs, &config.timing, &outbox, &config.username) => end,
        written = &mut writing => match written {
            Ok(Err(error)) => End::from(error),
            _ => End::Lost(Lost::Closed),
        },
    };
    writing.abort();
    end
}

async fn log_in(config: &Config) -> Result<(FrameReader<OwnedReadHalf>, OwnedWriteHalf), End> {
    let stream = dial(config).await?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = FrameReader::new(reader, MAX_SERVER);
    let login = Login::new(
        &config.username,
        &config.password,
        config.client_version,
        MINOR_VERSION,
    );
    writer
        .write_all(&ServerRequest::Login(login).encode())
        .await
        .map_err(Lost::from)?;
    match timeout(config.timing.login, login_response(&mut reader)).await {
        Err(_) => Err(End::Lost(Lost::Silent)),
        Ok(Err(lost)) => Err(End::Lost(lost)),
        Ok(Ok(LoginResponse::Success(success))) => {
            debug!(greeting = %success.greeting.decode(), "logged in");
            Ok((reader, writer))
        }
        Ok(Ok(LoginResponse::Failure { reason, detail })) => match &*reason.decode() {
            "SVRFULL" => Err(End::Lost(Lost::Full)),
            reason => Err(End::Refused(Refusal::Login {
                reason: reason.to_owned(),
                detail: detail.map(|detail| detail.decode().into_owned()),
            })),
        },
    }
}

/// The server by name or address. The protocol knows IPv4 only; a server of one's own may differ.
async fn dial(config: &Config) -> Result<TcpStream, Lost> {
    let server = &config.server;
    let addresses: Vec<SocketAddr> = lookup_host(server)
        .await
        .map_err(|_| Lost::Resolve(server.clone()))?
        .collect();
    let address = addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or(addresses.first());
    let address = *address.ok_or_else(|| Lost::Resolve(server.clone()))?;
    net::connect(address, config.timing.connect)
        .await
        .map_err(|source| Lost::Connect {
            server: server.clone(),
            source,
        })
}

/// Waits for the answer to the login. Anything else before it is skipped.
async fn login_response(reader: &mut FrameReader<OwnedReadHalf>) -> Result<LoginResponse, Lost> {
    loop {
        let frame = reader.next().await?.ok_or(Lost::ClosedAtLogin)?;
        if let ServerResponse::Login(response) = ServerResponse::decode(&frame)? {
            return Ok(response);
        }
    }
}

async fn read_messages(
    reader: &mut FrameReader<OwnedReadHalf>,
    inputs: &mpsc::Sender<ServerInput>,
    timing: &Timing,
    outbox: &mpsc::Sender<Bytes>,
    username: &str,
) -> End {
    let mut unanswered = 0;
    loop {
        let frame = match timeout(timing.ping, reader.next()).await {
            Ok(Ok(Some(frame))) => frame,
            Ok(Ok(None)) => return End::Lost(Lost::Closed),
            Ok(Err(error)) => return End::from(error),
            Err(_) if unanswered == 2 => return End::Lost(Lost::NoLife(timing.ping * 3)),
            Err(_) => {
                // The server no longer answers pings; it does answer a question about a user.
                unanswered += 1;
                let _ = outbox.try_send(ServerRequest::ServerPing.encode());
                let _ = outbox.try_send(ServerRequest::GetUserStatus(username.into()).encode());
                continue;
            }
        };
        unanswered = 0;
        let input = match ServerResponse::decode(&frame) {
            Ok(ServerResponse::Relogged) => return End::Refused(Refusal::Relogged),
            Ok(message) => ServerInput::Message(Instant::now(), message),
            Err(error) => {
                info!(%error, "skipped a frame from the server");
                ServerInput::Rejected
            }
        };
        if inputs.send(input).await.is_err() {
            return End::Unwanted;
        }
    }
}
