//! Free ports for the clients that must be told where to listen.

use std::{
    net::{Ipv4Addr, TcpListener},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

use anyhow::{Result, bail};

/// Below the range from which Linux and macOS take the ports of outgoing connections (32768 and up): a port from
/// in there could be gone before the client listens on it.
const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;

/// A port on loopback that nobody listens on, another one at each call.
pub fn free_port() -> Result<u16> {
    static CALLS: AtomicU16 = AtomicU16::new(0);
    // Test processes that run at the same time begin in different places.
    let start = u16::try_from(process::id() % u32::from(COUNT / 50)).unwrap_or_default() * 50;
    for _ in 0..COUNT {
        let offset = u32::from(start) + u32::from(CALLS.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + u16::try_from(offset % u32::from(COUNT)).unwrap_or_default();
        // Some clients listen on all addresses.
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {FIRST} and {}", FIRST + COUNT);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_ports_that_can_be_listened_on_and_none_twice() {
        let first = free_port().unwrap();
        let _listening = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        let second = free_port().unwrap();
        assert_ne!(first, second);
        TcpListener::bind((Ipv4Addr::LOCALHOST, second)).unwrap();
    }
}
