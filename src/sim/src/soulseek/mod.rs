//! A Soulseek server: good enough for the real clients, and it says so where it is asked.
//!
//! What it does: the login rules, peer addresses, the relay of `ConnectToPeer`, private messages, user
//! searches, the distributed tree (parents by upload speed in rounds, code 93 to branch roots), and
//! one session a name. What it does not: rooms, wishlists' own timing, privileges, interests.

mod connection;
mod searchers;
pub mod traffic;
mod users;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fleet_soulseek::messages::server::ServerResponse;
use fleet_soulseek::wire::Text;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::debug;

pub use self::searchers::Searchers;
pub use self::users::UserView;
use self::users::Users;

/// How the server behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Between two offers of parents. The official server takes about a minute.
    pub offer_every: Duration,
    /// Upload speeds in bytes a second; 0 for everyone else.
    pub speeds: HashMap<String, u32>,
    /// Only these are branch roots, instead of those for whom there is no parent.
    pub roots: Option<Vec<String>>,
    /// Only these are offered to a user, whatever their speed.
    pub candidates: HashMap<String, Vec<String>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            offer_every: Duration::from_secs(3),
            speeds: HashMap::new(),
            roots: None,
            candidates: HashMap::new(),
        }
    }
}

/// What the connections share.
#[derive(Debug)]
struct Shared {
    users: Mutex<Users>,
    message_ids: AtomicU32,
}

impl Shared {
    fn users(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends something to a user who is online. One who does not read is disconnected.
    fn send(&self, to: &str, response: &ServerResponse) {
        let mut users = self.users();
        if let Some(online) = users.online.get(to)
            && online.outbox.try_send(response.encode()).is_err()
            && let Some(online) = users.online.remove(to)
        {
            online.closed.cancel();
        }
    }

    /// Sends a search to the branch roots. Waits for those that read slowly.
    async fn distribute(&self, username: Text, token: u32, query: Text) {
        let frame = connection::embedded(username, token, query);
        let roots = self.users().roots();
        for root in roots {
            let _ = root.send(frame.clone()).await;
        }
        // Whoever searches in a loop must not keep others from running where there are no roots.
        tokio::task::yield_now().await;
    }

    fn private_message(&self, from: Text, text: Text) -> ServerResponse {
        let id = self.message_ids.fetch_add(1, Ordering::Relaxed);
        connection::private_message(id, from, text)
    }
}

/// A running server. It ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    _accepting: AbortOnDropHandle<()>,
    _offering: AbortOnDropHandle<()>,
    connections: TaskTracker,
}

impl Server {
    /// Listens and serves.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let Options {
            listen,
            offer_every,
            speeds,
            roots,
            candidates,
        } = options;
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let users = Users::new(speeds, roots, candidates);
        let shared = Arc::new(Shared {
            users: Mutex::new(users),
            message_ids: AtomicU32::new(1),
        });
        let connections = TaskTracker::new();
        let accepting = accept(listener, Arc::clone(&shared), connections.clone());
        let offering = offer(Arc::clone(&shared), offer_every);
        Ok(Self {
            address,
            shared,
            _accepting: AbortOnDropHandle::new(tokio::spawn(accepting)),
            _offering: AbortOnDropHandle::new(tokio::spawn(offering)),
            connections,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A search by somebody who is not here: it goes to the branch roots like any other.
    pub async fn search(&self, username: impl Into<Text>, token: u32, query: impl Into<Text>) {
        self.shared
            .distribute(username.into(), token, query.into())
            .await;
    }

    /// Who is online, by name.
    pub fn users(&self) -> Vec<UserView> {
        self.shared.users().view()
    }

    /// Sends bytes to a user as they are, right or wrong.
    pub async fn send_raw(&self, to: &str, bytes: Bytes) {
        let outbox = self
            .shared
            .users()
            .online
            .get(to)
            .map(|online| online.outbox.clone());
        if let Some(outbox) = outbox {
            let _ = outbox.send(bytes).await;
        }
    }

    /// Sends a message to a user.
    pub fn send(&self, to: &str, response: &ServerResponse) {
        self.shared.send(to, response);
    }

    /// A private message from the server itself.
    pub fn notice(&self, to: &str, text: &str) {
        let message = self.shared.private_message("server".into(), text.into());
        self.shared.send(to, &message);
    }

    /// Sets a user's upload speed in bytes a second.
    pub fn set_speed(&self, username: &str, speed: u32) {
        self.shared
            .users()
            .speeds
            .insert(username.to_owned(), speed);
    }

    /// Offers a user only these parents from now on.
    pub fn pin_candidates(&self, username: &str, candidates: &[&str]) {
        let candidates = candidates.iter().map(|&name| name.to_owned()).collect();
        self.shared
            .users()
            .pinned_candidates
            .insert(username.to_owned(), candidates);
    }

    /// Sends searches to these only from now on.
    pub fn pin_roots(&self, roots: &[&str]) {
        self.shared.users().pinned_roots =
            Some(roots.iter().map(|&name| name.to_owned()).collect());
    }

    /// Answers logins of this user with silence from now on, and ends their session.
    pub fn ban(&self, username: &str) {
        self.shared.users().banned.push(username.to_owned());
        self.disconnect(username);
    }

    /// Says to everyone who logs in that the server is full, or no longer.
    pub fn set_full(&self, full: bool) {
        self.shared.users().full = full;
    }

    /// Ends a user's session without a word.
    pub fn disconnect(&self, username: &str) {
        if let Some(online) = self.shared.users().online.remove(username) {
            online.closed.cancel();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.connections.close();
        for (_, online) in self.shared.users().online.drain() {
            online.closed.cancel();
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, connections: TaskTracker) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    if let Err(error) = connection::serve(&shared, stream).await {
                        debug!(%error, "a client's connection broke");
                    }
                });
            }
            Err(error) => {
                debug!(%error, "cannot accept a client");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn offer(shared: Arc<Shared>, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let offers = shared.users().offers();
        for (outbox, offer) in offers {
            let _ = outbox.try_send(offer);
        }
    }
}
