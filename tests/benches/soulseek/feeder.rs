//! A server, and a parent in the tree, that do nothing but log one client in and send it searches.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};
use fleet_soulseek::{
    frame::{FrameReader, MAX_DISTRIBUTED},
    messages::{
        distributed::DistributedMessage,
        init::{ConnectionType, InitMessage},
        server::{
            Hidden, LoginResponse, LoginSuccess, PossibleParent, ServerRequest, ServerResponse,
        },
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
    time::{Duration, Instant, sleep_until, timeout},
};

use crate::corpus::{self, Way};

const PARENT: &str = "feeding-parent";
/// What a client sends is short.
const MAX_REQUEST: usize = 8192;
const PATIENCE: Duration = Duration::from_secs(30);
/// A paced feed sends at each tick what the tick is worth.
const TICKS_A_SECOND: u32 = 50;

#[derive(Debug)]
pub(crate) struct Feeder {
    server: TcpListener,
    parent: TcpListener,
}

/// A client that is logged in and waits for searches.
#[derive(Debug)]
pub(crate) struct Fed {
    searches: OwnedWriteHalf,
    /// The other connections stay open as long as this one.
    _server: Option<OwnedWriteHalf>,
    draining: Vec<JoinHandle<()>>,
}

impl Drop for Fed {
    fn drop(&mut self) {
        for task in &self.draining {
            task.abort();
        }
    }
}

impl Feeder {
    pub(crate) async fn start() -> Result<Self> {
        Ok(Self {
            server: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
            parent: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
        })
    }

    pub(crate) fn address(&self) -> Result<SocketAddr> {
        Ok(self.server.local_addr()?)
    }

    /// Waits for the client, logs it in and, where searches come from a parent, becomes that parent.
    pub(crate) async fn accept(&self, way: Way) -> Result<Fed> {
        let accepted = timeout(PATIENCE, self.log_in()).await;
        let (reader, mut server) = accepted.context("no client logged in")??;
        let draining = drain(reader);
        if way == Way::Server {
            return Ok(Fed {
                searches: server,
                _server: None,
                draining: vec![draining],
            });
        }
        let parent = PossibleParent {
            username: PARENT.into(),
            address: Ipv4Addr::LOCALHOST,
            port: self.parent.local_addr()?.port().into(),
        };
        let offer = ServerResponse::PossibleParents(vec![parent]).encode();
        server.write_all(&offer).await?;
        let accepted = timeout(PATIENCE, self.adopt()).await;
        let (reader, searches) =
            accepted.context("the client does not connect to the parent")??;
        Ok(Fed {
            searches,
            _server: Some(server),
            draining: vec![draining, drain(reader)],
        })
    }

    async fn log_in(&self) -> Result<(FrameReader<OwnedReadHalf>, OwnedWriteHalf)> {
        let (mut reader, mut writer) = accept(&self.server, MAX_REQUEST).await?;
        let frame = reader.next().await?.context("the client hung up")?;
        let first = ServerRequest::decode(&frame)?;
        ensure!(
            matches!(first, ServerRequest::Login(_)),
            "the client did not begin with a login"
        );
        let success = LoginSuccess {
            greeting: "hello".into(),
            address: Some(Ipv4Addr::LOCALHOST),
            password_hash: Some(Hidden("5f4dcc3b5aa765d61d8327deb882cf99".into())),
            supporter: Some(false),
        };
        let response = ServerResponse::Login(LoginResponse::Success(success));
        writer.write_all(&response.encode()).await?;
        Ok((reader, writer))
    }

    async fn adopt(&self) -> Result<(FrameReader<OwnedReadHalf>, OwnedWriteHalf)> {
        let (mut reader, mut writer) = accept(&self.parent, MAX_DISTRIBUTED).await?;
        let frame = reader.next().await?.context("the client hung up")?;
        ensure!(
            matches!(
                InitMessage::decode(&frame)?,
                InitMessage::PeerInit(init) if init.connection_type == ConnectionType::Distributed
            ),
            "the client opened another kind of connection"
        );
        for message in [
            DistributedMessage::BranchLevel(0),
            DistributedMessage::BranchRoot(PARENT.into()),
        ] {
            writer.write_all(&message.encode()).await?;
        }
        Ok((reader, writer))
    }
}

impl Fed {
    /// Sends frames as fast as the client takes them.
    pub(crate) async fn send(&mut self, frames: &[u8]) -> Result<()> {
        let sent = self.searches.write_all(frames).await;
        sent.context("the client takes no more searches")
    }

    /// Sends so many frames a second, as long as there are any.
    pub(crate) async fn send_at(&mut self, rate: u32, mut frames: &[u8]) -> Result<()> {
        let started = Instant::now();
        let at_once = usize::try_from(rate / TICKS_A_SECOND)?;
        let mut ticks = 0;
        while !frames.is_empty() {
            self.send(corpus::take(&mut frames, at_once)).await?;
            ticks += 1;
            sleep_until(started + Duration::from_secs(1) * ticks / TICKS_A_SECOND).await;
        }
        Ok(())
    }
}

async fn accept(
    listener: &TcpListener,
    limit: usize,
) -> Result<(FrameReader<OwnedReadHalf>, OwnedWriteHalf)> {
    let (stream, _): (TcpStream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    Ok((FrameReader::new(reader, limit), writer))
}

/// Reads what the client says, for its sending never to stop.
fn drain(reader: FrameReader<OwnedReadHalf>) -> JoinHandle<()> {
    let (mut reader, _) = reader.into_parts();
    tokio::spawn(async move {
        let mut bytes = vec![0; MAX_REQUEST];
        while reader.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
    })
}
