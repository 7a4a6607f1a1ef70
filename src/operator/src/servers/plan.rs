//! What has to be done so that what is there becomes what is wanted. Pure: no I/O, no clock of its own.
//!
//! Only what carries the fleet's label is ever in a plan. Servers are compared in `compare`; what stands around them
//! here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use fleet_hetzner::{Firewall, Money, Server};
use jiff::Timestamp;

use super::compare;
use super::firewall::{WantedFirewall, firewalls, same_rules};
use super::found::Found;
use super::groups::Groups;
use super::keys;
use super::offers::{Catalogue, Offer};
use super::prices;
use super::wanted::{Role, Wanted, WantedServer};

/// What each server is told at its first boot, as a digest, by the server's name. A server that is not in it is not
/// compared.
pub type Digests = BTreeMap<String, String>;

/// What has to be done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The changes, in the order in which a person reads them.
    pub changes: Vec<Change>,
    /// What stays as it is.
    pub unchanged: Vec<Item>,
    /// What is in the way. A plan with problems is not carried out.
    pub problems: Vec<Problem>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

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

/// What is in the way of a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A server cannot be had.
    #[error("no server can be had for {server}: {refusals}")]
    NoOffer {
        /// The server.
        server: String,
        /// Each type in each location, with the reason.
        refusals: String,
    },
    /// The volume would have to shrink.
    #[error("the volume {name} has {have} GB, the spec wants {want}: volumes only grow")]
    VolumeShrinks {
        /// The volume.
        name: String,
        /// Its size in GB.
        have: u64,
        /// The spec's, in GB.
        want: u64,
    },
    /// A key is named that is not there.
    #[error("the project has no SSH key `{name}`")]
    NoSshKey {
        /// The key.
        name: String,
    },
    /// The control plane would have to be made anew.
    #[error("{server} would have to be made anew: {why}")]
    ControlPlaneHeld {
        /// The server.
        server: String,
        /// Why.
        why: String,
    },
    /// A type does not fit an existing server.
    #[error("{server} cannot become {wanted}: {why}")]
    NoRescale {
        /// The server.
        server: String,
        /// The types that were tried.
        wanted: String,
        /// Why.
        why: String,
    },
}

impl Problem {
    /// What a person does about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoOffer { .. } => {
                "name more types in serverTypes or another location; stock changes within hours, so the same command \
                 may work later"
            }
            Self::VolumeShrinks { .. } => "write its present size, or leave volumeGb out",
            Self::NoSshKey { .. } => "write a name that the project has, or the public key itself",
            Self::ControlPlaneHeld { .. } => {
                "its disk holds the state of the cluster and the database, so this is done only with \
                 --rebuild-control-plane; a volume (controlPlane.volumeGb) keeps both"
            }
            Self::NoRescale { .. } => {
                "name a type of the same architecture with a disk as large, or larger"
            }
        }
    }
}

/// Prices and stock are needed to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the catalogue is needed")]
pub struct CatalogueNeeded;

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'s> {
    /// What the spec wants.
    pub wanted: &'s Wanted,
    /// What is there.
    pub found: &'s Found,
    /// What servers are told at their first boot.
    pub digests: &'s Digests,
    /// What is sold, if it was asked for.
    pub catalogue: Option<&'s Catalogue>,
    /// Whether the control plane may be made anew.
    pub rebuild_control_plane: bool,
    /// The time, by which it is decided what is still sold.
    pub now: Timestamp,
}

impl Situation<'_> {
    /// The catalogue, which costs requests and so is asked for only where it is needed.
    pub(super) fn catalogue(&self) -> Result<&Catalogue, CatalogueNeeded> {
        self.catalogue.ok_or(CatalogueNeeded)
    }

    /// The network zone of the control plane's server, if it is there.
    pub(super) fn control_plane_zone(&self) -> Option<&str> {
        let control_plane = self
            .wanted
            .servers
            .iter()
            .find(|server| server.role == Role::ControlPlane)?;
        let server = self.found.server(&control_plane.name)?;
        Some(&server.location.network_zone)
    }
}

/// What has to be done.
pub fn plan(situation: Situation<'_>) -> Result<Plan, CatalogueNeeded> {
    let mut plan = Plan::default();
    keys::plan(&situation, &mut plan);
    plan_network(&situation, &mut plan)?;
    let mut groups = Groups::of(situation.wanted, situation.found);
    plan_servers(&situation, &mut groups, &mut plan)?;
    groups.plan(situation.found, &mut plan);
    plan_firewalls(&situation, &mut plan);
    if situation
        .wanted
        .allow_from
        .iter()
        .any(|range| range.ends_with("/0"))
    {
        plan.warnings.push(
            "SSH and the Kubernetes API can be reached from everywhere: write your own addresses into allowFrom"
                .to_owned(),
        );
    }
    // As they are made: keys and networks before servers, and what is deleted last.
    plan.changes
        .sort_by_key(|change| (change.verb == Verb::Delete, change.item.kind));
    Ok(plan)
}

fn plan_servers(
    situation: &Situation<'_>,
    groups: &mut Groups,
    plan: &mut Plan,
) -> Result<(), CatalogueNeeded> {
    let Situation { wanted, found, .. } = situation;
    for server in &wanted.servers {
        let there = found.server(&server.name);
        match there {
            None => plan_new(situation, server, groups, plan)?,
            Some(there) => {
                let outcome = compare::compare(situation, server, there, groups)?;
                match outcome {
                    Ok(None) => plan.unchanged.push(found.server_item(there)),
                    Ok(Some(change)) => plan.changes.push(change),
                    Err(problem) => {
                        plan.problems.push(problem);
                        plan.unchanged.push(found.server_item(there));
                    }
                }
            }
        }
        if server.role == Role::ControlPlane {
            let location = there.map(|server| server.location.name.clone());
            plan_volume(situation, server, location.as_deref(), plan);
            plan_address(situation, server, location.as_deref(), plan);
        }
    }
    let names: BTreeSet<&str> = wanted
        .servers
        .iter()
        .map(|server| server.name.as_str())
        .collect();
    for server in &found.servers {
        if !names.contains(server.name.as_str()) {
            plan.delete(
                found.server_item(server),
                server.id,
                "the spec has no such region",
            );
        }
    }
    Ok(())
}

fn plan_new(
    situation: &Situation<'_>,
    server: &WantedServer,
    groups: &mut Groups,
    plan: &mut Plan,
) -> Result<(), CatalogueNeeded> {
    let mut offers = situation.catalogue()?.offers(server, situation.now);
    if server.role == Role::ControlPlane {
        // A volume can only be used where it is.
        let volume = situation
            .found
            .volumes
            .iter()
            .find(|volume| volume.name == server.name);
        let fixed = volume.map(|volume| &volume.location.name);
        offers
            .available
            .retain(|offer| fixed.is_none_or(|location| offer.location == *location));
    }
    let Some(best) = offers.available.first().cloned() else {
        plan.problems.push(Problem::NoOffer {
            server: server.name.clone(),
            refusals: offers.refusals(),
        });
        return Ok(());
    };
    let why = if server.server_types.is_empty() {
        String::new()
    } else {
        offers.better_refusals()
    };
    let group = groups.place(&server.name, &best.location);
    let mut item = Item {
        kind: Kind::Server,
        name: server.name.clone(),
        location: Some(best.location.clone()),
        server_type: Some(best.server_type.clone()),
        monthly: best.monthly,
    };
    if server.role != Role::ControlPlane {
        item.monthly = best
            .monthly
            .map(|price| price + prices::address(&situation.found.pricing, &best.location));
    }
    plan.changes.push(Change {
        verb: Verb::Create,
        item,
        monthly_before: None,
        why,
        step: Step::Server {
            server: server.clone(),
            id: None,
            steps: vec![ServerStep::Create {
                offers: offers.available,
                group,
            }],
        },
    });
    Ok(())
}

/// The control plane's volume, which a plan never deletes.
fn plan_volume(
    situation: &Situation<'_>,
    server: &WantedServer,
    location: Option<&str>,
    plan: &mut Plan,
) {
    let Situation { wanted, found, .. } = situation;
    let existing = found
        .volumes
        .iter()
        .find(|volume| volume.name == server.name);
    let item = |size: u64, location: Option<&str>| Item {
        kind: Kind::Volume,
        name: server.name.clone(),
        location: location.map(str::to_owned),
        server_type: None,
        monthly: Some(prices::volume(&found.pricing, size)),
    };
    match (
        existing,
        wanted.volume_gb.and_then(|size| u64::try_from(size).ok()),
    ) {
        (None, None) => {}
        (None, Some(size)) => {
            let location = location.or(plan.location_of(&server.name));
            let item = item(size, location);
            plan.changes.push(Change::create(item, Step::WithServer));
        }
        (Some(volume), Some(size)) if volume.size > size => {
            plan.problems.push(Problem::VolumeShrinks {
                name: volume.name.clone(),
                have: volume.size,
                want: size,
            });
        }
        (Some(volume), Some(size)) if volume.size < size => plan.changes.push(Change {
            verb: Verb::Update,
            monthly_before: item(volume.size, None).monthly,
            item: item(size, Some(&volume.location.name)),
            why: format!("{} GB become {size} GB", volume.size),
            step: Step::ResizeVolume {
                id: volume.id,
                size,
            },
        }),
        (Some(volume), size) => {
            if size.is_none() {
                plan.warnings.push(format!(
                    "the volume {} stays, though the spec has no volumeGb: it may hold data",
                    volume.name
                ));
            }
            plan.unchanged
                .push(item(volume.size, Some(&volume.location.name)));
        }
    }
}

/// The control plane's address, which nodes are told and so has to outlive the server.
fn plan_address(
    situation: &Situation<'_>,
    server: &WantedServer,
    location: Option<&str>,
    plan: &mut Plan,
) {
    let found = situation.found;
    let existing = found.primary_ips.iter().find(|ip| ip.name == server.name);
    let location = existing
        .map(|ip| ip.location.name.as_str())
        .or(location)
        .or(plan.location_of(&server.name));
    let item = Item {
        kind: Kind::PrimaryIp,
        name: server.name.clone(),
        location: location.map(str::to_owned),
        server_type: None,
        monthly: location.map(|location| prices::address(&found.pricing, location)),
    };
    match (existing, found.server(&server.name)) {
        (Some(_), _) => plan.unchanged.push(item),
        (None, None) => plan.changes.push(Change::create(item, Step::WithServer)),
        // Made without one, by somebody else; a server cannot change its address while it runs.
        (None, Some(_)) => {}
    }
}

fn plan_network(situation: &Situation<'_>, plan: &mut Plan) -> Result<(), CatalogueNeeded> {
    let Situation { wanted, found, .. } = situation;
    let item = |name: &str| Item::free(Kind::Network, name);
    for network in &found.networks {
        if network.name == wanted.fleet && wanted.network.is_some() {
            plan.unchanged.push(item(&network.name));
        } else {
            plan.delete(item(&network.name), network.id, "the spec has no network");
        }
    }
    let Some(ip_range) = &wanted.network else {
        return Ok(());
    };
    if !found
        .networks
        .iter()
        .any(|network| network.name == wanted.fleet)
    {
        let first = wanted
            .servers
            .first()
            .and_then(|server| server.locations.first());
        let catalogue = situation.catalogue()?;
        let zone = first.and_then(|location| catalogue.location(location));
        let zone = zone.map_or_else(String::new, |location| location.network_zone.clone());
        let step = Step::CreateNetwork {
            ip_range: ip_range.clone(),
            zone,
        };
        plan.changes.push(Change::create(item(&wanted.fleet), step));
    }
    Ok(())
}

fn plan_firewalls(situation: &Situation<'_>, plan: &mut Plan) {
    let Situation { wanted, found, .. } = situation;
    let staying = wanted
        .servers
        .iter()
        .filter_map(|server| found.server(&server.name));
    let addresses: BTreeSet<Ipv4Addr> = staying.filter_map(Server::ipv4).collect();
    let wanted = firewalls(wanted, &addresses);
    let item = |name: &str| Item::free(Kind::Firewall, name);
    // New servers bring new addresses, which are known only once they are there.
    let addresses_change = plan.changes.iter().any(|change| {
        change.item.kind == Kind::Server && matches!(change.verb, Verb::Create | Verb::Replace)
    });
    for firewall in wanted.clone() {
        let Some(there) = found
            .firewalls
            .iter()
            .find(|found| found.name == firewall.name)
        else {
            let item = item(&firewall.name);
            plan.changes
                .push(Change::create(item, Step::CreateFirewall(firewall)));
            continue;
        };
        let reapply = !is_applied(there, &firewall);
        let differs = !same_rules(&there.rules, &firewall.rules);
        if !(reapply || differs || addresses_change) {
            plan.unchanged.push(item(&firewall.name));
            continue;
        }
        let why = match (reapply, differs) {
            (true, _) => "it does not hold for all servers",
            (false, true) => "its rules differ",
            (false, false) => "new servers bring new addresses",
        };
        plan.changes.push(Change {
            verb: Verb::Update,
            item: item(&firewall.name),
            monthly_before: None,
            why: why.to_owned(),
            step: Step::UpdateFirewall {
                id: there.id,
                wanted: firewall,
                reapply,
            },
        });
    }
    for there in &found.firewalls {
        if !wanted.iter().any(|firewall| firewall.name == there.name) {
            plan.delete(item(&there.name), there.id, "no such firewall is wanted");
        }
    }
}

/// Whether it holds for the servers that it should hold for.
fn is_applied(there: &Firewall, wanted: &WantedFirewall) -> bool {
    let selector = wanted.selector.to_string();
    there
        .applied_to
        .iter()
        .any(|to| to.target.selector() == Some(&selector))
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_converged(&self) -> bool {
        self.changes.is_empty() && self.problems.is_empty()
    }

    /// What all that will be there costs a month, net.
    pub fn monthly_after(&self) -> Money {
        let changed = self
            .changes
            .iter()
            .filter(|change| change.verb != Verb::Delete);
        let changed = changed.filter_map(|change| change.item.monthly);
        let unchanged = self.unchanged.iter().filter_map(|item| item.monthly);
        changed.chain(unchanged).sum()
    }

    /// What all that is there costs a month, net.
    pub fn monthly_before(&self) -> Money {
        let changed = self
            .changes
            .iter()
            .filter_map(|change| change.monthly_before);
        let unchanged = self.unchanged.iter().filter_map(|item| item.monthly);
        changed.chain(unchanged).sum()
    }

    pub(super) fn delete(&mut self, item: Item, id: i64, why: &str) {
        self.changes.push(Change {
            verb: Verb::Delete,
            monthly_before: item.monthly,
            item,
            why: why.to_owned(),
            step: Step::Delete { id },
        });
    }

    /// Where a server is going to be.
    fn location_of(&self, server: &str) -> Option<&str> {
        let change = self
            .changes
            .iter()
            .find(|change| change.item.kind == Kind::Server && change.item.name == server);
        change.and_then(|change| change.item.location.as_deref())
    }
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
