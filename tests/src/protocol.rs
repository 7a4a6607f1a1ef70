//! What a test and the driver of a client say to each other: one JSON object a line, whichever the client.

use serde::{Deserialize, Serialize};

/// What a client did or saw.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Logged in, and the shared files are scanned.
    Online,
    /// The server refused the login.
    Refused { reason: String },
    /// The session with the server ended.
    Offline,
    /// Where the client stands in the tree, at the start and after each change. A client with a parent is at
    /// level 1 or deeper; without one it is at level 0.
    Parent {
        /// soulseek-rs does not tell the name of its parent, only root and level.
        username: Option<String>,
        root: Option<String>,
        level: u32,
    },
    /// All children, sorted by name, at the start and after each change.
    Children { usernames: Vec<String> },
    /// Somebody's search came in. soulseek-rs does not tell what it sees.
    SearchSeen {
        via: Via,
        username: String,
        token: u32,
        query: String,
    },
    /// The client's own search is on its way to the server.
    SearchSent { token: u32, query: String },
    /// Somebody answered the client's own search.
    SearchResult {
        username: String,
        token: u32,
        files: Vec<String>,
    },
    /// The answer to [`Command::UserInfo`].
    UserInfo {
        username: String,
        description: String,
        upload_slots: u32,
        queue_size: u32,
        slots_free: bool,
    },
    /// The answer to [`Command::Browse`]: the paths of all files, private ones left out.
    Shares {
        username: String,
        files: Vec<String>,
    },
    /// A command failed. The session goes on.
    Error { message: String },
}

/// How a search came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// From a parent, over a distributed connection.
    Tree,
    /// From the server (code 93), which makes the client a root of the tree.
    Root,
    /// From the server (code 26), aimed at this client.
    Server,
}

/// What a test asks a client to do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "cmd", rename_all = "snake_case")]
pub enum Command {
    /// Search the network.
    Search { query: String },
    /// Search the files of one user.
    SearchUser { username: String, query: String },
    /// Ask a user for the text and numbers they show of themselves.
    UserInfo { username: String },
    /// Ask a user for the list of their shared files.
    Browse { username: String },
    /// Log out and end.
    Quit,
}

impl Event {
    /// Whether this is somebody's search for exactly these words.
    pub fn is_search_seen(&self, words: &str) -> bool {
        matches!(self, Self::SearchSeen { query, .. } if query == words)
    }

    /// Whether the client now has a parent.
    pub fn has_parent(&self) -> bool {
        matches!(self, Self::Parent { level, .. } if *level > 0)
    }

    /// Whether the client now has this child.
    pub fn has_child(&self, name: &str) -> bool {
        matches!(self, Self::Children { usernames } if usernames.iter().any(|child| child == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_drivers_write() {
        let line = r#"{"event": "search_seen", "via": "root", "username": "a", "token": 7, "query": "x y"}"#;
        let seen: Event = serde_json::from_str(line).unwrap();
        assert!(seen.is_search_seen("x y") && !seen.is_search_seen("x"));

        let line = r#"{"event": "parent", "username": null, "root": "r", "level": 2}"#;
        assert!(serde_json::from_str::<Event>(line).unwrap().has_parent());
    }

    #[test]
    fn writes_what_the_drivers_read() {
        let browse = Command::Browse {
            username: "a".into(),
        };
        assert_eq!(
            serde_json::to_string(&browse).unwrap(),
            r#"{"cmd":"browse","username":"a"}"#
        );
        assert_eq!(
            serde_json::to_string(&Command::Quit).unwrap(),
            r#"{"cmd":"quit"}"#
        );
    }
}
