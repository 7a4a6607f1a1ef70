//! What stands around the servers, in a plan: the control plane's volume and address, the network, the firewalls.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use fleet_hetzner::{Firewall, Server};

use super::change::{Change, Item, Kind, Step, Verb};
use super::firewall::{WantedFirewall, firewalls, same_rules};
use super::plan::{CatalogueNeeded, Plan, Situation};
use super::prices;
use super::problem::Problem;
use super::wanted::WantedServer;

/// The control plane's volume, which a plan never deletes.
pub(super) fn plan_volume(
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
        // A server that stays as it is gets no volume: nothing of it would come to be there.
        (None, Some(_)) if location.is_some() && !plan.makes(&server.name) => {}
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
pub(super) fn plan_address(
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

pub(super) fn plan_network(
    situation: &Situation<'_>,
    plan: &mut Plan,
) -> Result<(), CatalogueNeeded> {
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

pub(super) fn plan_firewalls(situation: &Situation<'_>, plan: &mut Plan) {
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
