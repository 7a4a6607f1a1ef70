//! A session with a simulated server, as the tests of this directory use it.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::net::SocketAddr;
use std::time::Duration;

use fleet_sim::soulseek::{Options, Server};
use fleet_soulseek::session::{Config, Event, Session, SessionHandle, Source, Timing};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Node {
    pub(crate) handle: SessionHandle,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) cancelled: CancellationToken,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.cancelled.cancel();
    }
}

pub(crate) fn config(server: &Server, username: &str, password: &str) -> Config {
    config_for(server.address(), username, password)
}

pub(crate) fn config_for(server: SocketAddr, username: &str, password: &str) -> Config {
    Config {
        server: server.to_string(),
        username: username.to_owned(),
        password: password.into(),
        client_version: 177,
        listen_port: 0,
        obfuscated_port: Some(0),
        description: "a test".to_owned(),
        distributed: true,
        max_children: 10,
        timing: Timing {
            retry_min: Duration::from_millis(50),
            ..Timing::default()
        },
    }
}

pub(crate) async fn start(config: Config) -> Node {
    let (sender, events) = mpsc::channel(64);
    let (session, handle) = Session::bind(config, sender).await.expect("ports");
    let cancelled = CancellationToken::new();
    tokio::spawn(session.run(cancelled.clone()));
    Node {
        handle,
        events,
        cancelled,
    }
}

impl Node {
    /// The next event of a kind, skipping others.
    pub(crate) async fn wait<T>(&mut self, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let event = self.events.recv().await.expect("the session runs");
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, waiting).await.expect("the event comes")
    }

    pub(crate) async fn connected(&mut self) {
        self.wait(|event| matches!(event, Event::Connected).then_some(()))
            .await;
    }

    pub(crate) async fn search(&mut self) -> (u32, Source, u32) {
        self.wait(|event| match event {
            Event::Search(search) => Some((search.token, search.source, search.branch_level)),
            _ => None,
        })
        .await
    }
}

pub(crate) async fn server_with(speeds: &[(&str, u32)]) -> Server {
    let speeds = speeds
        .iter()
        .map(|&(name, speed)| (name.to_owned(), speed))
        .collect();
    let options = Options {
        offer_every: Duration::from_millis(50),
        speeds,
        ..Options::default()
    };
    Server::start(options).await.expect("a loopback port")
}

pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("waited in vain: {what}"));
}
