//! Who is registered, who is online, and who gets searches from whom. No I/O.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use bytes::Bytes;
use fleet_soulseek::messages::server::{
    Hidden, Login, LoginResponse, LoginSuccess, PossibleParent, ServerResponse, Stats, login_hash,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The server offers at most this many parents at a time.
const MAX_OFFER: usize = 10;
/// After this many offers without success a user gets searches from the server.
const ROUNDS_BEFORE_ROOT: u32 = 3;
/// Clients older than this are told to update.
const OLDEST_VERSION: u32 = 157;
/// From this version on the official server sends no distributed searches.
const NO_TREE_VERSION: u32 = 179;
const MAX_NAME: usize = 30;

/// A user who is logged in.
#[derive(Debug)]
pub(super) struct Online {
    pub(super) outbox: mpsc::Sender<Bytes>,
    pub(super) closed: CancellationToken,
    pub(super) address: Ipv4Addr,
    pub(super) port: u32,
    pub(super) obfuscated_port: Option<u32>,
    pub(super) status: u32,
    pub(super) folders: u32,
    pub(super) files: u32,
    pub(super) wants_parent: bool,
    pub(super) accepts_children: bool,
    pub(super) level: u32,
    pub(super) root: String,
    in_tree: bool,
    rounds: u32,
    root_duty: bool,
}

/// What a test or a person may want to know of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView {
    /// The name.
    pub username: String,
    /// Whether the user looks for a parent.
    pub wants_parent: bool,
    /// Whether the user takes children.
    pub accepts_children: bool,
    /// The distance from the root, as the user says.
    pub level: u32,
    /// The root, as the user says.
    pub root: String,
    /// Whether the user gets searches from the server.
    pub is_root: bool,
    /// Where the user listens.
    pub port: u32,
    /// Where the user listens for obfuscated connections.
    pub obfuscated_port: Option<u32>,
}

/// All users.
#[derive(Debug, Default)]
pub(super) struct Users {
    passwords: HashMap<String, SecretString>,
    pub(super) online: HashMap<String, Online>,
    pub(super) speeds: HashMap<String, u32>,
    pub(super) pinned_roots: Option<Vec<String>>,
    pub(super) pinned_candidates: HashMap<String, Vec<String>>,
    pub(super) banned: Vec<String>,
    pub(super) full: bool,
}

/// What becomes of a login.
#[derive(Debug)]
pub(super) enum LoginOutcome {
    /// The user is in; tell them this. Notices come after it.
    In(Box<ServerResponse>),
    /// The user is not.
    Refused(ServerResponse),
    /// A banned user hears nothing.
    Silence,
}

fn refused(reason: &str, detail: Option<&str>) -> LoginOutcome {
    let detail = detail.map(Into::into);
    LoginOutcome::Refused(ServerResponse::Login(LoginResponse::Failure {
        reason: reason.into(),
        detail,
    }))
}

fn name_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("Nick empty.")
    } else if name.len() > MAX_NAME {
        Some("Nick too long.")
    } else if name.trim() != name {
        Some("No leading and trailing spaces allowed in nick.")
    } else if !name.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
        Some("Invalid characters in nick.")
    } else {
        None
    }
}

impl Users {
    pub(super) fn new(
        speeds: HashMap<String, u32>,
        pinned_roots: Option<Vec<String>>,
        pinned_candidates: HashMap<String, Vec<String>>,
    ) -> Self {
        Self {
            speeds,
            pinned_roots,
            pinned_candidates,
            ..Self::default()
        }
    }

    /// Checks a login and, where it is right, puts the user online in place of an older session. A
    /// new name is registered with the password that it comes with.
    pub(super) fn log_in(
        &mut self,
        login: &Login,
        address: Ipv4Addr,
        outbox: mpsc::Sender<Bytes>,
        closed: CancellationToken,
    ) -> LoginOutcome {
        let name = login.username.decode().into_owned();
        let password = login.password.expose_secret();
        if self.banned.contains(&name) {
            return LoginOutcome::Silence;
        }
        if self.full {
            return refused("SVRFULL", None);
        }
        if let Some(fault) = name_fault(&name) {
            return refused("INVALIDUSERNAME", Some(fault));
        }
        if password.is_empty() {
            return refused("EMPTYPASSWORD", None);
        }
        if login.major_version < OLDEST_VERSION || login.minor_version == 0 {
            return refused("INVALIDVERSION", None);
        }
        let registered = self
            .passwords
            .entry(name.clone())
            .or_insert_with(|| login.password.clone());
        let hash = login_hash(name.as_bytes(), password.as_bytes());
        if registered.expose_secret() != password || *login.hash.expose_secret() != *hash {
            return refused("INVALIDPASS", None);
        }
        if let Some(older) = self.online.remove(&name) {
            let _ = older.outbox.try_send(ServerResponse::Relogged.encode());
            older.closed.cancel();
        }
        let online = Online {
            outbox,
            closed,
            address,
            port: 0,
            obfuscated_port: None,
            status: 2,
            folders: 0,
            files: 0,
            wants_parent: false,
            accepts_children: false,
            level: 0,
            root: name.clone(),
            in_tree: login.major_version < NO_TREE_VERSION,
            rounds: 0,
            root_duty: false,
        };
        self.online.insert(name, online);
        let success = LoginSuccess {
            greeting: "This is a simulated Soulseek server.".into(),
            address: Some(address),
            password_hash: Some(Hidden(login_hash(b"", password.as_bytes()).as_str().into())),
            supporter: Some(false),
        };
        LoginOutcome::In(Box::new(ServerResponse::Login(LoginResponse::Success(
            success,
        ))))
    }

    /// Whether anyone has registered the name.
    pub(super) fn exists(&self, name: &str) -> bool {
        self.passwords.contains_key(name)
    }

    /// Upload speed in bytes a second.
    pub(super) fn speed(&self, name: &str) -> u32 {
        self.speeds.get(name).copied().unwrap_or_default()
    }

    /// A user's figures.
    pub(super) fn stats(&self, name: &str) -> Stats {
        let (files, folders) = self
            .online
            .get(name)
            .map_or((0, 0), |online| (online.files, online.folders));
        Stats {
            speed: self.speed(name),
            uploads: 0,
            unknown: 0,
            files,
            folders,
        }
    }

    /// Whether the user looks for a parent. Having one ends the duty of a root.
    pub(super) fn set_wants_parent(&mut self, name: &str, wants: bool) {
        if let Some(online) = self.online.get_mut(name) {
            online.wants_parent = wants;
            online.rounds = 0;
            if !wants {
                online.root_duty = false;
            }
        }
    }

    /// Who may become a user's parent: those who take children, are faster, and are not below them.
    fn candidates(&self, name: &str) -> Vec<PossibleParent> {
        let speed = self.speed(name);
        let fits = |other: &&String, online: &Online| match self.pinned_candidates.get(name) {
            Some(pinned) => pinned.contains(other),
            None => online.accepts_children && self.speed(other) > speed && online.root != name,
        };
        self.online
            .iter()
            .filter(|(other, online)| *other != name && online.port != 0 && fits(other, online))
            .take(MAX_OFFER)
            .map(|(other, online)| PossibleParent {
                username: other.as_str().into(),
                address: online.address,
                port: online.port,
            })
            .collect()
    }

    /// The offers of parents that are due now.
    pub(super) fn offers(&mut self) -> Vec<(mpsc::Sender<Bytes>, Bytes)> {
        let looking: Vec<String> = self
            .online
            .iter()
            .filter(|(_, online)| online.wants_parent && online.in_tree)
            .map(|(name, _)| name.clone())
            .collect();
        let mut offers = Vec::new();
        for name in looking {
            let candidates = self.candidates(&name);
            let Some(online) = self.online.get_mut(&name) else {
                continue;
            };
            if candidates.is_empty() {
                continue;
            }
            online.rounds += 1;
            let offer = ServerResponse::PossibleParents(candidates).encode();
            offers.push((online.outbox.clone(), offer));
        }
        offers
    }

    /// Those to whom the server sends searches: users without a parent to whom it has nobody to
    /// offer, or whose candidates all failed.
    pub(super) fn roots(&mut self) -> Vec<mpsc::Sender<Bytes>> {
        let names: Vec<String> = match &self.pinned_roots {
            Some(pinned) => pinned.clone(),
            None => self
                .online
                .iter()
                .filter(|(name, online)| {
                    let unlucky = online.rounds >= ROUNDS_BEFORE_ROOT;
                    online.wants_parent
                        && online.in_tree
                        && (online.root_duty || unlucky || self.candidates(name).is_empty())
                })
                .map(|(name, _)| name.clone())
                .collect(),
        };
        let mut outboxes = Vec::new();
        for name in names {
            if let Some(online) = self.online.get_mut(&name) {
                online.root_duty = true;
                outboxes.push(online.outbox.clone());
            }
        }
        outboxes
    }

    pub(super) fn view(&self) -> Vec<UserView> {
        let mut users: Vec<_> = self
            .online
            .iter()
            .map(|(name, online)| UserView {
                username: name.clone(),
                wants_parent: online.wants_parent,
                accepts_children: online.accepts_children,
                level: online.level,
                root: online.root.clone(),
                is_root: online.root_duty,
                port: online.port,
                obfuscated_port: online.obfuscated_port,
            })
            .collect();
        users.sort_by(|a, b| a.username.cmp(&b.username));
        users
    }
}
