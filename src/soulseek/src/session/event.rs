//! What a session reports.

use std::time::Duration;

use tokio::time::Instant;

use crate::wire::Text;

/// Where a search was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// Code 3 from the parent in the tree.
    Parent,
    /// Code 93 from the parent, as old branch roots send it.
    Embedded,
    /// Code 93 from the server: this node is a branch root.
    Server,
    /// Code 26 from the server: aimed at this account, by user or room. Not part of the tree.
    Direct,
}

/// A search as it was seen. The name in it is in clear and must not be written anywhere.
#[derive(Clone)]
pub struct SearchSeen {
    /// When its frame was read.
    pub at: Instant,
    /// Who searches.
    pub username: Text,
    /// The searcher's own number for it.
    pub token: u32,
    /// What is searched for.
    pub query: Text,
    /// Where it was read.
    pub source: Source,
    /// Our distance from the root of the branch at that time.
    pub branch_level: u32,
}

impl std::fmt::Debug for SearchSeen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SearchSeen")
            .field("source", &self.source)
            .field("branch_level", &self.branch_level)
            .finish_non_exhaustive()
    }
}

/// Why the server does not want us. Final: another try by the program would make things worse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The name or the password is not right, or the version is not wanted.
    #[error("the server refused the login: {reason}{}", detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default())]
    Login {
        /// As the server spells it, `INVALIDPASS` and the like.
        reason: String,
        /// More, where the server says more.
        detail: Option<String>,
    },
    /// The same account has logged in elsewhere.
    #[error("the same account logged in elsewhere, and the server closed this session")]
    Relogged,
}

impl Refusal {
    /// What a person should do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Relogged => {
                "use one account for one collector: end the other program that uses this account, then start again"
            }
            Self::Login { reason, .. } => match reason.as_str() {
                "INVALIDPASS" => {
                    "check `username` and `password` in the Secret: the name is taken and the password is not the one it was registered with"
                }
                "EMPTYPASSWORD" => {
                    "the Secret's `password` is empty: write the account's password there"
                }
                "INVALIDUSERNAME" => {
                    "choose another `username` in the Secret: 1 to 30 printable ASCII characters, no blank at either end"
                }
                "INVALIDVERSION" => {
                    "the server does not take this client version: set `spec.soulseek.clientVersion` to 177"
                }
                "SVRPRIVATE" => {
                    "the server is private: set `spec.soulseek.server` to one that you may use"
                }
                _ => "see what the server says and change the Secret or the spec, then start again",
            },
        }
    }
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A search was seen.
    Search(SearchSeen),
    /// Logged in.
    Connected,
    /// The connection to the server is gone, or could not be made.
    Disconnected {
        /// Why.
        reason: String,
        /// When the next try is made.
        retry_in: Duration,
    },
    /// The session is over until a person acts.
    Refused(Refusal),
    /// Searches now come from a parent.
    ParentFound {
        /// Our distance from the root of its branch.
        level: u32,
    },
    /// Searches no longer come from a parent.
    ParentLost {
        /// Why.
        reason: &'static str,
    },
    /// Searches now come from the server.
    BecameRoot,
    /// The server's operators say something, for example that the account is banned.
    Notice(String),
}

/// Where the session stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether we are logged in.
    pub connected: bool,
    /// Whether a parent sends searches.
    pub has_parent: bool,
    /// Whether the server sends searches.
    pub is_root: bool,
    /// Our distance from the root of the branch.
    pub branch_level: u32,
    /// Nodes that we pass searches on to.
    pub children: usize,
    /// Where we listen.
    pub listen_port: u16,
    /// Frames that were skipped because their content was wrong.
    pub rejected_frames: u64,
}
