//! The Soulseek server that the clients log in to.
//!
//! TEMPORARY: until the simulator is in this workspace, this hands out the address in `FLEET_TEST_SERVER`, where
//! some server must be running.

use std::{env, net::SocketAddr};

use anyhow::{Context, Result};

/// A running server.
pub(crate) struct Sim {
    pub(crate) address: SocketAddr,
}

pub(crate) async fn start() -> Result<Sim> {
    let address = env::var("FLEET_TEST_SERVER")
        .context("set FLEET_TEST_SERVER to the address of a Soulseek server")?;
    let mut addresses = tokio::net::lookup_host(&address).await?;
    let address = addresses
        .next()
        .with_context(|| format!("{address} is no address"))?;
    Ok(Sim { address })
}
