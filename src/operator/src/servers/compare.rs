//! A server that is there against the one that is wanted.

use fleet_api::names::{FLEET_LABEL, REGION_LABEL, ROLE_LABEL, USER_DATA_LABEL};
use fleet_hetzner::{Network, Server, ServerStatus, ServerType};

use super::change::{Change, Item, Kind, ServerStep, Step, Verb};
use super::groups::Groups;
use super::offers::Offer;
use super::plan::{CatalogueNeeded, Situation};
use super::prices;
use super::problem::Problem;
use super::wanted::{Role, WantedServer};

/// What has to happen to a server that is there: nothing, a change, or something that is in the way of one.
pub(super) fn compare(
    situation: &Situation<'_>,
    wanted: &WantedServer,
    there: &Server,
    groups: &mut Groups,
) -> Result<Result<Option<Change>, Problem>, CatalogueNeeded> {
    let mut changes = Changes::default();
    if let Some(why) = misplaced(wanted, there) {
        return replaced(situation, wanted, there, groups, why);
    }
    if let Some(problem) = rescale(situation, wanted, there, &mut changes)? {
        return Ok(Err(problem));
    }
    if let Some(why) = stale(situation, wanted, there) {
        if let Some(problem) = held(situation, wanted, there, &why) {
            return Ok(Err(problem));
        }
        let image = situation
            .catalogue()?
            .image_for(&there.server_type.architecture);
        let Some(image) = image else {
            return Ok(Err(no_image(situation, there)));
        };
        changes.add(Verb::Rebuild, why, ServerStep::Rebuild { image });
    }
    if wanted_labels(situation, wanted) != fleet_labels(there) {
        changes.add(
            Verb::Update,
            "its labels differ".to_owned(),
            ServerStep::Relabel,
        );
    }
    networks(situation, there, &mut changes);
    if there.status == ServerStatus::Off && !changes.verbs.contains(&Verb::Rebuild) {
        changes.add(Verb::Update, "it is off".to_owned(), ServerStep::PowerOn);
    }
    Ok(Ok(changes.into_change(situation, wanted, there)))
}

/// What was found to change, in the order in which it is done.
#[derive(Debug, Default)]
struct Changes {
    verbs: Vec<Verb>,
    why: Vec<String>,
    steps: Vec<ServerStep>,
    server_type: Option<Offer>,
}

impl Changes {
    fn add(&mut self, verb: Verb, why: String, step: ServerStep) {
        self.verbs.push(verb);
        self.why.push(why);
        self.steps.push(step);
    }

    fn into_change(
        self,
        situation: &Situation<'_>,
        wanted: &WantedServer,
        there: &Server,
    ) -> Option<Change> {
        let verb = self.verbs.into_iter().max()?;
        let before = situation.found.server_item(there);
        let mut item = before.clone();
        if let Some(offer) = self.server_type {
            item.monthly = offer
                .monthly
                .map(|price| price + prices::address(&situation.found.pricing, &offer.location));
            item.server_type = Some(offer.server_type);
        }
        Some(Change {
            verb,
            item,
            monthly_before: before.monthly,
            why: self.why.join("; "),
            step: Step::Server {
                server: wanted.clone(),
                id: Some(there.id),
                steps: self.steps,
            },
        })
    }
}

/// Why a server is in the wrong place.
fn misplaced(wanted: &WantedServer, there: &Server) -> Option<String> {
    let location = &there.location.name;
    // The control plane stays where it was made, even if the list of locations changes: its state is there.
    let stays = wanted.role == Role::ControlPlane || wanted.locations.contains(location);
    (!stays).then(|| format!("it is in {location}"))
}

/// A region's server in the wrong place is deleted and made again: a region is what it hears where it is.
fn replaced(
    situation: &Situation<'_>,
    wanted: &WantedServer,
    there: &Server,
    groups: &mut Groups,
    why: String,
) -> Result<Result<Option<Change>, Problem>, CatalogueNeeded> {
    let offers = situation.catalogue()?.offers(wanted, situation.now);
    let Some(best) = offers.available.first().cloned() else {
        return Ok(Err(Problem::NoOffer {
            server: wanted.name.clone(),
            refusals: offers.refusals(),
        }));
    };
    let price = best
        .monthly
        .map(|price| price + prices::address(&situation.found.pricing, &best.location));
    let group = groups.place(&wanted.name, &best.location);
    Ok(Ok(Some(Change {
        verb: Verb::Replace,
        item: Item {
            kind: Kind::Server,
            name: wanted.name.clone(),
            location: Some(best.location),
            server_type: Some(best.server_type),
            monthly: price,
        },
        monthly_before: situation.found.server_item(there).monthly,
        why,
        step: Step::Server {
            server: wanted.clone(),
            id: Some(there.id),
            steps: vec![
                ServerStep::Delete,
                ServerStep::Create {
                    offers: offers.available,
                    group,
                },
            ],
        },
    })))
}

/// A server of a type that the spec does not name becomes one of those that it names.
fn rescale(
    situation: &Situation<'_>,
    wanted: &WantedServer,
    there: &Server,
    changes: &mut Changes,
) -> Result<Option<Problem>, CatalogueNeeded> {
    let have = &there.server_type.name;
    if wanted.server_types.is_empty() || wanted.server_types.contains(have) {
        return Ok(None);
    }
    let catalogue = situation.catalogue()?;
    let here = WantedServer {
        locations: vec![there.location.name.clone()],
        ..wanted.clone()
    };
    let offers = catalogue.offers(&here, situation.now);
    let fits = |offer: &&Offer| {
        let kind = catalogue.server_type(&offer.server_type);
        kind.is_some_and(|kind| can_become(there, kind))
    };
    let Some(offer) = offers.available.iter().find(fits).cloned() else {
        let why = if offers.available.is_empty() {
            offers.refusals()
        } else {
            format!(
                "their disks are smaller than its {} GB, or the architecture is another",
                there.primary_disk_size
            )
        };
        return Ok(Some(Problem::NoRescale {
            server: there.name.clone(),
            wanted: wanted.server_types.join(", "),
            why,
        }));
    };
    let step = ServerStep::Rescale {
        server_type: offer.server_type.clone(),
    };
    changes.add(
        Verb::Update,
        format!("{have} becomes {}", offer.server_type),
        step,
    );
    changes.server_type = Some(offer);
    Ok(None)
}

/// A disk never shrinks, and a program of one architecture does not run on another.
fn can_become(there: &Server, kind: &ServerType) -> bool {
    kind.architecture == there.server_type.architecture && kind.disk >= there.primary_disk_size
}

/// Why what a server was told at its first boot is not what it would be told today.
fn stale(situation: &Situation<'_>, wanted: &WantedServer, there: &Server) -> Option<String> {
    if wanted.role == Role::ControlPlane
        && situation.wanted.volume_gb.is_some()
        && !situation
            .found
            .volumes
            .iter()
            .any(|volume| volume.name == wanted.name)
    {
        return Some("it has no volume yet".to_owned());
    }
    let image = there.image.as_ref().and_then(|image| image.name.as_deref());
    if image.is_some_and(|image| image != situation.wanted.image) {
        return Some("its image is another".to_owned());
    }
    let digest = situation.digests.get(&wanted.name)?;
    match there.labels.get(USER_DATA_LABEL) {
        Some(told) if told == digest => None,
        Some(_) => Some("its set-up has changed".to_owned()),
        None => Some("how it was set up is not known".to_owned()),
    }
}

fn held(
    situation: &Situation<'_>,
    wanted: &WantedServer,
    there: &Server,
    why: &str,
) -> Option<Problem> {
    let held = wanted.role == Role::ControlPlane && !situation.rebuild_control_plane;
    held.then(|| Problem::ControlPlaneHeld {
        server: there.name.clone(),
        why: why.to_owned(),
    })
}

fn no_image(situation: &Situation<'_>, there: &Server) -> Problem {
    let image = &situation.wanted.image;
    Problem::NoOffer {
        server: there.name.clone(),
        refusals: format!("there is no image {image} for its architecture"),
    }
}

/// A server belongs to the network if its zone does.
fn networks(situation: &Situation<'_>, there: &Server, changes: &mut Changes) {
    let Situation { wanted, found, .. } = situation;
    let attached = |id: i64| there.private_net.iter().any(|net| net.network == id);
    for network in &found.networks {
        let is_wanted = wanted.network.is_some() && network.name == wanted.fleet;
        match (
            is_wanted && reaches(network, &there.location.network_zone),
            attached(network.id),
        ) {
            (true, false) => changes.add(
                Verb::Update,
                "it is not in the private network".to_owned(),
                ServerStep::Attach,
            ),
            (false, true) => changes.add(
                Verb::Update,
                "it is in a private network".to_owned(),
                ServerStep::Detach {
                    network: network.id,
                },
            ),
            _ => {}
        }
    }
    let is_new =
        wanted.network.is_some() && !found.networks.iter().any(|net| net.name == wanted.fleet);
    let in_zone = situation.control_plane_zone() == Some(&there.location.network_zone);
    if is_new && in_zone {
        changes.add(
            Verb::Update,
            "it is not in the private network".to_owned(),
            ServerStep::Attach,
        );
    }
}

/// Whether a network has a part in a zone.
pub(super) fn reaches(network: &Network, zone: &str) -> bool {
    network
        .subnets
        .iter()
        .any(|subnet| subnet.network_zone == zone)
}

/// The labels of ours that a server should have.
fn wanted_labels(situation: &Situation<'_>, wanted: &WantedServer) -> Vec<(String, String)> {
    wanted.labels(&situation.wanted.fleet).into_iter().collect()
}

/// The labels of ours that a server has, without that of its set-up. Others are somebody else's business.
fn fleet_labels(there: &Server) -> Vec<(String, String)> {
    let ours = [FLEET_LABEL, REGION_LABEL, ROLE_LABEL];
    let labels = there
        .labels
        .iter()
        .filter(|(key, _)| ours.contains(&key.as_str()));
    labels
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
