//! Sockets: keep-alive, and the small tasks that read and write one connection.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use bytes::Bytes;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A dead line is noticed after about a minute and a half: 60 s of silence, three probes, 10 s apart.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;
/// Bytes sent that nobody acknowledges end the connection after this long.
const UNACKNOWLEDGED: Duration = Duration::from_secs(90);

/// Sets what every connection needs.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    stream.set_nodelay(true)
}

/// Connects within the time given.
pub(super) async fn connect(address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let stream = timeout(limit, TcpStream::connect(address))
        .await
        .map_err(|_| {
            io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no answer within {limit:?}"),
            )
        })??;
    prepare(&stream)?;
    Ok(stream)
}

/// The address of a peer as the wire has it; `None` for the address of a user who is offline.
///
/// Not inlined: rustc 1.95 with `--release` and incremental compilation made `0.0.0.0:0` of it in its
/// caller (seen in the disassembly), so that no parent was ever dialled.
#[inline(never)]
pub(super) fn peer_address(address: Ipv4Addr, port: u32) -> Option<SocketAddr> {
    let port = u16::try_from(port).ok().filter(|&port| port != 0)?;
    (!address.is_unspecified()).then(|| SocketAddrV4::new(address, port).into())
}

/// Writes frames as they come, several at a time where several wait. Ends when the sender is gone.
pub(super) async fn write_frames(
    mut io: impl AsyncWrite + Unpin,
    mut frames: mpsc::Receiver<Bytes>,
) -> io::Result<()> {
    const AT_ONCE: usize = 64;
    let mut batch = Vec::with_capacity(AT_ONCE);
    let mut bytes = Vec::new();
    while frames.recv_many(&mut batch, AT_ONCE).await > 0 {
        bytes.clear();
        for frame in batch.drain(..) {
            bytes.extend_from_slice(&frame);
        }
        io.write_all(&bytes).await?;
    }
    io.shutdown().await
}
