//! The Soulseek server that the clients log in to.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use fleet_sim::soulseek::{Options, Server};

/// A running server; it ends with this.
pub(crate) struct Sim {
    pub(crate) address: SocketAddr,
    pub(crate) server: Server,
}

/// A server that offers parents often and treats everyone alike.
pub(crate) async fn start() -> Result<Sim> {
    start_with(Options::default()).await
}

/// A server with rules of its own about who is a root, who is fast and who is offered to whom.
pub(crate) async fn start_with(options: Options) -> Result<Sim> {
    let options = Options {
        offer_every: Duration::from_secs(1),
        ..options
    };
    let server = Server::start(options).await?;
    Ok(Sim {
        address: server.address(),
        server,
    })
}
