//! What a session needs to know, and how long it waits for things.

use std::time::Duration;

use secrecy::SecretString;

/// Everything that one session needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// The server, `host:port`.
    pub server: String,
    /// The account's name.
    pub username: String,
    /// The account's password.
    pub password: SecretString,
    /// The major version that is told to the server; see [`Login`](crate::messages::server::Login).
    pub client_version: u32,
    /// Where to listen for peers; 0 lets the system choose.
    pub listen_port: u16,
    /// Where to listen for obfuscated peer connections; `None` offers none.
    pub obfuscated_port: Option<u16>,
    /// What we say of ourselves to users who ask.
    pub description: String,
    /// Whether the session takes a place in the distributed tree. Without one it looks for no parent, takes
    /// no children and reports only searches that are aimed at it.
    pub distributed: bool,
    /// The most children in the tree, whatever the speed rules allow.
    pub max_children: usize,
    /// How long to wait for what.
    pub timing: Timing,
}

/// How long a session waits. The defaults are those of well-behaved clients.
#[derive(Debug, Clone)]
pub struct Timing {
    /// For a TCP connection to the server or to a peer.
    pub connect: Duration,
    /// For the answer to a login. No answer is how the server treats a banned account.
    pub login: Duration,
    /// Before another try after a login without an answer: each try makes a ban longer.
    pub banned: Duration,
    /// Before another try where the server is full.
    pub server_full: Duration,
    /// Before the first try after a connection was lost; doubles up to [`Self::retry_max`].
    pub retry_min: Duration,
    /// The longest wait before another try.
    pub retry_max: Duration,
    /// A connection that lived this long starts the next waits from the beginning.
    pub stable: Duration,
    /// Between two signs of life to the server; without an answer to two of them it counts as gone.
    pub ping: Duration,
    /// For the first frame of a peer connection.
    pub handshake: Duration,
    /// For a peer to connect to us when we asked for it.
    pub indirect: Duration,
    /// A parent that sends no search for this long is kept while we look for another.
    pub parent_silence: Duration,
    /// For a candidate to tell its level and root.
    pub candidate: Duration,
    /// For the next message of a user who talks to us.
    pub peer_idle: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            login: Duration::from_secs(30),
            banned: Duration::from_mins(30),
            server_full: Duration::from_mins(5),
            retry_min: Duration::from_secs(2),
            retry_max: Duration::from_mins(5),
            stable: Duration::from_mins(1),
            ping: Duration::from_mins(5),
            handshake: Duration::from_secs(10),
            indirect: Duration::from_secs(20),
            parent_silence: Duration::from_mins(1),
            candidate: Duration::from_secs(30),
            peer_idle: Duration::from_mins(1),
        }
    }
}
