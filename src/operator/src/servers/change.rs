//! What a plan is made of: things, and what happens to them.

use fleet_hetzner::Money;

use super::firewall::WantedFirewall;
use super::offers::Offer;
use super::wanted::WantedServer;

/// One thing in the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Where it is or will be.
    pub location: Option<String>,
    /// Its type, if it is a server.
    pub server_type: Option<String>,
    /// What it costs a month, net, at today's price.
    pub monthly: Option<Money>,
}

/// A change of one thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What happens to it.
    pub verb: Verb,
    /// What it will be; what it was where it is deleted.
    pub item: Item,
    /// What it costs a month now.
    pub monthly_before: Option<Money>,
    /// Why, in words.
    pub why: String,
    /// How it is done.
    pub step: Step,
}

/// What happens to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// It is made.
    Create,
    /// It is changed in place.
    Update,
    /// Its disk is written anew; name, addresses and price stay.
    Rebuild,
    /// It is deleted and made again.
    Replace,
    /// It is deleted.
    Delete,
}

/// What a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A public key.
    SshKey,
    /// A private network.
    Network,
    /// A group of servers on different machines.
    PlacementGroup,
    /// A firewall.
    Firewall,
    /// A block volume.
    Volume,
    /// An IPv4 address that outlives its server.
    PrimaryIp,
    /// A server.
    Server,
}

/// How a change is done.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Make a public key.
    CreateSshKey {
        /// The key as OpenSSH writes it.
        public_key: String,
    },
    /// Make the private network.
    CreateNetwork {
        /// Its addresses.
        ip_range: String,
        /// Where it is.
        zone: String,
    },
    /// Make a placement group.
    CreatePlacementGroup,
    /// Make a firewall.
    CreateFirewall(WantedFirewall),
    /// Give a firewall its rules, and the servers that it holds for.
    UpdateFirewall {
        /// Its id.
        id: i64,
        /// What it should be.
        wanted: WantedFirewall,
        /// Whether it holds for the wrong servers.
        reapply: bool,
    },
    /// Make the volume larger.
    ResizeVolume {
        /// Its id.
        id: i64,
        /// In GB.
        size: u64,
    },
    /// Nothing of its own: it is made in the location that its server gets.
    WithServer,
    /// What happens to a server, in this order.
    Server {
        /// The server as it is wanted.
        server: WantedServer,
        /// Its id, if it is there.
        id: Option<i64>,
        /// What happens.
        steps: Vec<ServerStep>,
    },
    /// Delete it.
    Delete {
        /// Its id.
        id: i64,
    },
}

/// Something that happens to a server.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerStep {
    /// It is made, from the first offer that can be had.
    Create {
        /// Best first.
        offers: Vec<Offer>,
        /// The placement group's name.
        group: Option<String>,
    },
    /// It is deleted.
    Delete,
    /// It becomes one of another type, and is off meanwhile.
    Rescale {
        /// The new type.
        server_type: String,
    },
    /// Its disk is written anew with this image.
    Rebuild {
        /// The image's id.
        image: i64,
    },
    /// It gets the labels that it should have.
    Relabel,
    /// It is switched on.
    PowerOn,
    /// It joins the fleet's private network.
    Attach,
    /// It leaves a private network.
    Detach {
        /// The network's id.
        network: i64,
    },
}

impl Change {
    pub(super) fn create(item: Item, step: Step) -> Self {
        Self {
            verb: Verb::Create,
            item,
            monthly_before: None,
            why: String::new(),
            step,
        }
    }
}

impl Item {
    /// Something that costs nothing and is nowhere in particular.
    pub(super) fn free(kind: Kind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            location: None,
            server_type: None,
            monthly: None,
        }
    }
}
