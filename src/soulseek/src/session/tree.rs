//! The distributed search tree as one node sees it: who is its parent, who may become it, who are its
//! children. Pure: it takes what happened and answers with what to do ([`Action`]).
//!
//! A node takes as its parent the first candidate that has told its level and root and then sends a
//! search. A parent that falls silent is kept until another one delivers, so no search is missed in
//! between. Without a parent, searches may come from the server: then this node is a branch root.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::messages::distributed::DistributedMessage;
use crate::messages::server::{PossibleParent, ServerRequest};

/// A connection of the tree; the caller gives the numbers out.
pub(crate) type LinkId = u64;

/// More candidates than this are not dialled at a time. The server offers at most ten.
const MAX_CANDIDATES: usize = 10;
/// Deeper than any tree can be: a parent that says so is broken.
const MAX_LEVEL: i32 = 1000;
/// Upload speed is told in bytes a second, the least speed for children in KiB a second.
const KIB: u64 = 1024;

/// Something for the caller to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Tell the server.
    Server(ServerRequest),
    /// Tell one neighbour.
    Send(LinkId, DistributedMessage),
    /// Close a connection.
    Close(LinkId),
    /// Connect to a candidate.
    Dial(PossibleParent),
    /// Searches now come from a parent, at this level.
    ParentFound { level: u32 },
    /// Searches no longer come from a parent.
    ParentLost { reason: &'static str },
    /// Searches now come from the server.
    BecameRoot,
}

/// What to do with a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Record it, and pass it on where `forward` says so.
    Take { forward: bool },
    /// It came from someone who is not (yet) to be believed.
    Ignore,
}

#[derive(Debug)]
enum Role {
    Candidate { since: Instant },
    Parent,
    Child,
}

#[derive(Debug)]
struct Link {
    username: String,
    role: Role,
    level: Option<u32>,
    root: Option<String>,
}

impl Link {
    fn is_ready(&self) -> bool {
        self.level == Some(0) || (self.level.is_some() && self.root.is_some())
    }
}

/// The state of the tree.
#[derive(Debug)]
pub(crate) struct Tree {
    own: String,
    silence: Duration,
    candidate_time: Duration,
    max_children: usize,
    links: HashMap<LinkId, Link>,
    dialling: HashSet<String>,
    parent: Option<LinkId>,
    /// The parent has been silent for long: another one is looked for while it is kept.
    looking: bool,
    /// The server sends searches to us.
    root_duty: bool,
    last_search: Instant,
    speed: u32,
    min_speed: u32,
    speed_ratio: u32,
    accepting: bool,
    actions: Vec<Action>,
}

impl Tree {
    pub(crate) fn new(
        own: String,
        silence: Duration,
        candidate_time: Duration,
        max_children: usize,
        now: Instant,
    ) -> Self {
        Self {
            own,
            silence,
            candidate_time,
            max_children,
            links: HashMap::new(),
            dialling: HashSet::new(),
            parent: None,
            looking: false,
            root_duty: false,
            last_search: now,
            speed: 0,
            min_speed: 1,
            speed_ratio: 50,
            accepting: false,
            actions: Vec::new(),
        }
    }

    /// What has to be done since the last call.
    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    pub(crate) fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// Our distance from the root of our branch.
    pub(crate) fn level(&self) -> u32 {
        self.parent_link()
            .and_then(|parent| parent.level)
            .map_or(0, |level| level + 1)
    }

    /// The name at the top of our branch.
    pub(crate) fn root(&self) -> &str {
        self.parent_link().map_or(&self.own, |parent| {
            parent.root.as_ref().unwrap_or(&parent.username)
        })
    }

    /// Whether there is a parent that is not silent.
    pub(crate) fn has_parent(&self) -> bool {
        self.parent.is_some() && !self.looking
    }

    pub(crate) fn is_root(&self) -> bool {
        self.parent.is_none() && self.root_duty
    }

    pub(crate) fn children(&self) -> impl Iterator<Item = LinkId> {
        self.links
            .iter()
            .filter(|(_, link)| matches!(link.role, Role::Child))
            .map(|(&id, _)| id)
    }

    /// How many children the speed rules allow: upload speed over ratio over 100, at most ten by
    /// default, none below the least speed.
    fn child_limit(&self) -> usize {
        let speed = u64::from(self.speed);
        if self.speed_ratio == 0 || speed < u64::from(self.min_speed) * KIB {
            return 0;
        }
        let by_speed = speed / u64::from(self.speed_ratio) / 100;
        usize::try_from(by_speed)
            .unwrap_or(usize::MAX)
            .min(self.max_children)
    }

    /// We are logged in (again): tell the server where we stand.
    pub(crate) fn on_login(&mut self) {
        self.root_duty = false;
        self.accepting = false;
        self.tell_position();
        self.actions
            .push(Action::Server(ServerRequest::AcceptChildren(false)));
        self.update_accepting();
    }

    /// The server is gone. What the parent sends goes on; what the server sent does not.
    pub(crate) fn on_server_lost(&mut self) {
        self.root_duty = false;
    }

    pub(crate) fn on_speed(&mut self, speed: u32) {
        self.speed = speed;
        self.update_accepting();
    }

    pub(crate) fn on_min_speed(&mut self, speed: u32) {
        self.min_speed = speed;
        self.update_accepting();
    }

    pub(crate) fn on_speed_ratio(&mut self, ratio: u32) {
        self.speed_ratio = ratio;
        self.update_accepting();
    }

    /// The server offers parents. Nobody is dialled twice: two connections to one user would deliver
    /// every search twice.
    pub(crate) fn on_possible_parents(&mut self, parents: Vec<PossibleParent>, now: Instant) {
        if self.has_parent() {
            return;
        }
        for parent in parents {
            let username = parent.username.decode().into_owned();
            let known = self.links.values().any(|link| link.username == username);
            if username != self.own
                && !known
                && self.has_room(now)
                && self.dialling.insert(username)
            {
                self.actions.push(Action::Dial(parent));
            }
        }
    }

    /// Whether another candidate can be dialled. Where they are too many, the one that has had its
    /// time without a search makes room.
    fn has_room(&mut self, now: Instant) -> bool {
        if self.dialling.len() + self.candidates().count() < MAX_CANDIDATES {
            return true;
        }
        let age = |link: &Link| match link.role {
            Role::Candidate { since } => now.saturating_duration_since(since),
            Role::Parent | Role::Child => Duration::ZERO,
        };
        let oldest = self.links.iter().max_by_key(|(_, link)| age(link));
        let stale = oldest
            .filter(|(_, link)| age(link) > self.candidate_time)
            .map(|(&id, _)| id);
        if let Some(id) = stale {
            self.close(id);
        }
        stale.is_some()
    }

    /// A connection to a candidate is there, or could not be made.
    pub(crate) fn on_dialled(&mut self, username: &str, link: Option<LinkId>, now: Instant) {
        let wanted = self.dialling.remove(username) && !self.has_parent();
        let Some(id) = link else { return };
        if wanted {
            let role = Role::Candidate { since: now };
            self.links.insert(
                id,
                Link {
                    username: username.to_owned(),
                    role,
                    level: None,
                    root: None,
                },
            );
        } else {
            self.actions.push(Action::Close(id));
        }
    }

    /// Somebody connected to us: a child, if there is room and something to pass on.
    pub(crate) fn on_incoming(&mut self, username: &str, id: LinkId) {
        let known = self.links.values().any(|link| link.username == username);
        if known || self.dialling.contains(username) || !self.accepting {
            self.actions.push(Action::Close(id));
            return;
        }
        let link = Link {
            username: username.to_owned(),
            role: Role::Child,
            level: None,
            root: None,
        };
        self.links.insert(id, link);
        self.introduce_to(id);
        self.update_accepting();
    }

    /// A search arrived from the server. It goes down the tree unless a parent feeds us.
    pub(crate) fn on_server_search(&mut self, now: Instant) -> Verdict {
        if self.has_parent() {
            return Verdict::Take { forward: false };
        }
        self.last_search = now;
        if !self.root_duty {
            self.root_duty = true;
            if let Some(id) = self.parent.take() {
                self.looking = false;
                if let Some(link) = self.links.get_mut(&id) {
                    link.role = Role::Candidate { since: now };
                }
                self.tell_position();
            }
            self.actions.push(Action::BecameRoot);
            self.introduce_to_children();
            self.update_accepting();
        }
        Verdict::Take { forward: true }
    }

    /// A search arrived on a connection.
    pub(crate) fn on_search(&mut self, id: LinkId, now: Instant) -> Verdict {
        if self.parent == Some(id) {
            self.last_search = now;
            if self.looking {
                self.looking = false;
                self.drop_candidates();
                let level = self.level();
                self.actions.extend([
                    Action::Server(ServerRequest::HaveNoParent(false)),
                    Action::ParentFound { level },
                ]);
            }
            return Verdict::Take { forward: true };
        }
        match self.links.get(&id) {
            Some(Link {
                role: Role::Candidate { .. },
                ..
            }) => {
                if self.links[&id].is_ready() {
                    self.adopt(id, now);
                    return Verdict::Take { forward: true };
                }
            }
            _ => self.close(id),
        }
        Verdict::Ignore
    }

    /// The parent's search has been dealt with; the next one can be read only from now on.
    pub(crate) fn on_search_done(&mut self, now: Instant) {
        self.last_search = now;
    }

    /// A parent or candidate tells its level.
    pub(crate) fn on_level(&mut self, id: LinkId, level: i32) {
        let level = u32::try_from(level).ok().filter(|_| level <= MAX_LEVEL);
        match (self.upstream(id), level) {
            (Some(link), Some(level)) => {
                link.level = Some(level);
                if level == 0 {
                    link.root = None;
                }
                self.on_position_of(id);
            }
            _ => self.close(id),
        }
    }

    /// A parent or candidate tells its root. Our own name there means that it is below us.
    pub(crate) fn on_root(&mut self, id: LinkId, root: &str) {
        let valid = !root.is_empty() && root != self.own;
        match self.upstream(id) {
            Some(link) if valid => {
                link.root = Some(root.to_owned());
                self.on_position_of(id);
            }
            _ => self.close(id),
        }
    }

    /// A connection has ended.
    pub(crate) fn on_closed(&mut self, id: LinkId) {
        if self.links.remove(&id).is_none() {
            return;
        }
        if self.parent == Some(id) {
            self.lose_parent("the connection ended");
        }
        self.update_accepting();
    }

    /// The server wants everyone to begin anew.
    pub(crate) fn on_reset(&mut self) {
        let ids: Vec<_> = self.links.keys().copied().collect();
        for id in ids {
            self.links.remove(&id);
            self.actions.push(Action::Close(id));
        }
        self.dialling.clear();
        let was_fed = self.parent.is_some() || self.root_duty;
        self.root_duty = false;
        if was_fed {
            self.lose_parent("the server reset the tree");
        } else {
            self.tell_position();
        }
        self.update_accepting();
    }

    /// Time has passed: drop candidates that say nothing, and look round when the parent is silent.
    pub(crate) fn on_tick(&mut self, now: Instant) {
        let stale: Vec<_> = self
            .links
            .iter()
            .filter(|(_, link)| match link.role {
                Role::Candidate { since } => !link.is_ready() && now - since > self.candidate_time,
                Role::Parent | Role::Child => false,
            })
            .map(|(&id, _)| id)
            .collect();
        for id in stale {
            self.close(id);
        }
        if self.has_parent() && now - self.last_search > self.silence {
            self.looking = true;
            self.actions.push(Action::ParentLost {
                reason: "it has sent no search for too long",
            });
            self.actions
                .push(Action::Server(ServerRequest::HaveNoParent(true)));
        }
    }

    fn parent_link(&self) -> Option<&Link> {
        self.links.get(&self.parent?)
    }

    fn candidates(&self) -> impl Iterator<Item = LinkId> {
        self.links
            .iter()
            .filter(|(_, link)| matches!(link.role, Role::Candidate { .. }))
            .map(|(&id, _)| id)
    }

    fn upstream(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links
            .get_mut(&id)
            .filter(|link| !matches!(link.role, Role::Child))
    }

    fn adopt(&mut self, id: LinkId, now: Instant) {
        if let Some(old) = self.parent.take() {
            self.close(old);
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.role = Role::Parent;
        }
        self.parent = Some(id);
        self.looking = false;
        self.root_duty = false;
        self.last_search = now;
        self.drop_candidates();
        self.tell_position();
        self.introduce_to_children();
        self.update_accepting();
        self.actions.push(Action::ParentFound {
            level: self.level(),
        });
    }

    fn lose_parent(&mut self, reason: &'static str) {
        self.parent = None;
        self.looking = false;
        self.actions.push(Action::ParentLost { reason });
        self.tell_position();
        self.introduce_to_children();
    }

    /// The parent has moved in the tree, so we and our children have, too.
    fn on_position_of(&mut self, id: LinkId) {
        if self.parent == Some(id) {
            self.tell_position();
            self.introduce_to_children();
        }
    }

    fn close(&mut self, id: LinkId) {
        self.actions.push(Action::Close(id));
        self.on_closed(id);
    }

    fn drop_candidates(&mut self) {
        let candidates: Vec<_> = self.candidates().collect();
        for id in candidates {
            self.close(id);
        }
        self.dialling.clear();
    }

    fn tell_position(&mut self) {
        let looking = !self.has_parent();
        let level = self.level();
        let root = self.root().into();
        self.actions.extend([
            Action::Server(ServerRequest::HaveNoParent(looking)),
            Action::Server(ServerRequest::BranchRoot(root)),
            Action::Server(ServerRequest::BranchLevel(level)),
        ]);
    }

    /// Level before root: some clients close the connection of a parent that does it the other way.
    fn introduce_to(&mut self, id: LinkId) {
        let level = i32::try_from(self.level()).unwrap_or(i32::MAX);
        let root = self.root().into();
        self.actions
            .push(Action::Send(id, DistributedMessage::BranchLevel(level)));
        self.actions
            .push(Action::Send(id, DistributedMessage::BranchRoot(root)));
    }

    fn introduce_to_children(&mut self) {
        let children: Vec<_> = self.children().collect();
        for id in children {
            self.introduce_to(id);
        }
    }

    /// Children are taken while there is something to pass on and a place is free.
    fn update_accepting(&mut self) {
        let fed = self.parent.is_some() || self.root_duty;
        let accepting = fed && self.children().count() < self.child_limit();
        if accepting != self.accepting {
            self.accepting = accepting;
            self.actions
                .push(Action::Server(ServerRequest::AcceptChildren(accepting)));
        }
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "tree_walks.rs"]
mod walks;
