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
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info};

use super::config::{Config, Timing};
use super::event::Refusal;
use super::net;
use crate::frame::{Frame, FrameReader, MAX_SERVER};
use crate::messages::server::{Login, LoginResponse, ServerRequest, ServerResponse};

/// The minor version must not be 0: the official server would never offer a parent.
const MINOR_VERSION: u32 = 1;
/// Requests that may wait for the server to read. It reads few; one that reads none is gone.
const OUTBOX: usize = 256;

/// The code of the answer to a login, as it stands in front of it.
const LOGIN: [u8; 4] = 1_u32.to_le_bytes();

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
    CutOff,
    #[error(
        "the server closed the connection instead of answering the login, three times in a row; that is how it \
         treats a banned account or address"
    )]
    Banned,
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

/// A login that is cut off this many times in a row is taken for a ban.
const CUT_OFF_IS_A_BAN: u32 = 3;

/// Keeps the connection until it is refused, stopped, or nobody wants its messages.
pub(super) async fn run(
    config: Config,
    listen: super::ListenPorts,
    inputs: mpsc::Sender<ServerInput>,
    stop: CancellationToken,
) {
    let mut backoff = backoff(&config.timing);
    let mut cut_off = 0;
    loop {
        let mut up_since = None;
        let end = connection(&config, listen, &inputs, &stop, &mut up_since).await;
        let mut lost = match end {
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
        cut_off = if matches!(lost, Lost::CutOff) {
            cut_off + 1
        } else {
            0
        };
        if cut_off >= CUT_OFF_IS_A_BAN {
            lost = Lost::Banned;
        }
        let retry_in = match lost {
            Lost::Silent | Lost::Banned => config.timing.banned,
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
        if stop.run_until_cancelled(sleep(retry_in)).await.is_none() {
            return;
        }
    }
}

/// Doubling waits with jitter, without an end.
fn backoff(timing: &Timing) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(timing.retry_min)
        // Jitter adds up to as much again.
        .with_max_delay(timing.retry_max / 2)
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .build()
}

async fn connection(
    config: &Config,
    listen: super::ListenPorts,
    inputs: &mpsc::Sender<ServerInput>,
    stop: &CancellationToken,
    up_since: &mut Option<Instant>,
) -> End {
    let (reader, writer) = match stop.run_until_cancelled(log_in(config)).await {
        Some(Ok(halves)) => halves,
        Some(Err(end)) => return end,
        None => return End::Unwanted,
    };
    *up_since = Some(Instant::now());
    let (outbox, frames) = mpsc::channel(OUTBOX);
    let mut writing = AbortOnDropHandle::new(tokio::spawn(net::write_frames(writer, frames)));
    for request in listen.announcements() {
        let _ = outbox.try_send(request.encode());
    }
    // Only the session holds the outbox: when it lets go of it, the connection ends.
    let messages = Messages {
        reader,
        inputs,
        stop,
        outbox: outbox.downgrade(),
    };
    if inputs.send(ServerInput::Up(outbox)).await.is_err() {
        return End::Unwanted;
    }
    let reading = messages.read(&config.timing, &config.username);
    tokio::pin!(reading);
    tokio::select! {
        end = &mut reading => end,
        // What the server sent before it went, a kick among it, can still be read: the end of reading
        // is the end of the connection.
        _ = &mut writing => reading.await,
    }
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
    let mut addresses: Vec<SocketAddr> = lookup_host(server)
        .await
        .map_err(|_| Lost::Resolve(server.clone()))?
        .collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let mut lost = Lost::Resolve(server.clone());
    for address in addresses {
        match net::connect(address, config.timing.connect).await {
            Ok(stream) => return Ok(stream),
            Err(source) => {
                lost = Lost::Connect {
                    server: server.clone(),
                    source,
                }
            }
        }
    }
    Err(lost)
}

/// Waits for the answer to the login. Anything else before it is skipped.
async fn login_response(reader: &mut FrameReader<OwnedReadHalf>) -> Result<LoginResponse, Lost> {
    loop {
        let frame = reader
            .next()
            .await
            .map_err(|_| Lost::CutOff)?
            .ok_or(Lost::CutOff)?;
        match ServerResponse::decode(&frame) {
            Ok(ServerResponse::Login(response)) => return Ok(response),
            Err(error) if frame.payload().starts_with(&LOGIN) => return Err(error.into()),
            _ => {}
        }
    }
}

/// The messages of one connection.
struct Messages<'a> {
    reader: FrameReader<OwnedReadHalf>,
    inputs: &'a mpsc::Sender<ServerInput>,
    stop: &'a CancellationToken,
    outbox: mpsc::WeakSender<Bytes>,
}

impl Messages<'_> {
    /// Delivers messages until the connection ends. When it is stopped, those that have been read are
    /// still delivered.
    async fn read(mut self, timing: &Timing, username: &str) -> End {
        let mut unanswered = 0;
        loop {
            let reading = timeout(timing.ping, self.reader.next());
            let frame = match self.stop.run_until_cancelled(reading).await {
                Some(Ok(Ok(Some(frame)))) => frame,
                Some(Ok(Ok(None))) => return End::Lost(Lost::Closed),
                Some(Ok(Err(error))) => return End::from(error),
                Some(Err(_)) if unanswered == 2 => return End::Lost(Lost::NoLife(timing.ping * 3)),
                Some(Err(_)) => {
                    // The server no longer answers pings; it does answer a question about a user.
                    unanswered += 1;
                    self.say(&ServerRequest::ServerPing);
                    self.say(&ServerRequest::GetUserStatus(username.into()));
                    continue;
                }
                None => break,
            };
            unanswered = 0;
            if let Some(end) = self.deliver(&frame).await {
                return end;
            }
        }
        while let Ok(Some(frame)) = self.reader.buffered() {
            if let Some(end) = self.deliver(&frame).await {
                return end;
            }
        }
        End::Unwanted
    }

    async fn deliver(&self, frame: &Frame) -> Option<End> {
        let input = match ServerResponse::decode(frame) {
            Ok(ServerResponse::Relogged) => return Some(End::Refused(Refusal::Relogged)),
            Ok(message) => ServerInput::Message(Instant::now(), message),
            Err(error) => {
                info!(%error, "skipped a frame from the server");
                ServerInput::Rejected
            }
        };
        self.inputs
            .send(input)
            .await
            .is_err()
            .then_some(End::Unwanted)
    }

    fn say(&self, request: &ServerRequest) {
        if let Some(outbox) = self.outbox.upgrade() {
            let _ = outbox.try_send(request.encode());
        }
    }
}
