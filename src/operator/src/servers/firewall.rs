//! Who may reach a fleet's servers.
//!
//! Two firewalls hold for a fleet, both found by label: one for all servers, and one more for the control plane's.
//! What is between servers is open only to the fleet's own addresses, so the rules follow the servers.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use fleet_api::names::{CONTROL_PLANE, FLEET_LABEL, ROLE_LABEL};
use fleet_hetzner::{Direction, Protocol, Rule};

use super::wanted::Wanted;

/// How many CIDRs a rule may have.
const CIDRS_A_RULE: usize = 100;

const SSH: u16 = 22;
const KUBERNETES_API: u16 = 6443;
const KUBELET: u16 = 10250;
/// k3s with the backend `wireguard-native`; its port cannot be changed.
const WIREGUARD: u16 = 51820;

/// A firewall that a fleet wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedFirewall {
    /// Its name.
    pub name: String,
    /// Which servers it holds for, as a label selector.
    pub selector: String,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// The firewalls of a fleet whose servers have these addresses.
pub fn firewalls(wanted: &Wanted, addresses: &BTreeSet<Ipv4Addr>) -> [WantedFirewall; 2] {
    let fleet = &wanted.fleet;
    let own: Vec<String> = addresses.iter().map(|ip| format!("{ip}/32")).collect();
    let all = ["0.0.0.0/0", "::/0"].map(str::to_owned);

    let mut rules = vec![rule("ping", Protocol::Icmp, None, &all)];
    rules.extend(inbound("SSH", Protocol::Tcp, SSH, &wanted.allow_from));
    let listening = wanted.servers.iter().flat_map(|server| &server.ports);
    let listening: BTreeSet<u16> = listening.copied().collect();
    for port in listening {
        rules.extend(inbound("other users", Protocol::Tcp, port, &all));
    }
    rules.extend(inbound("between nodes", Protocol::Udp, WIREGUARD, &own));
    rules.extend(inbound("kubelet", Protocol::Tcp, KUBELET, &own));

    let api: Vec<String> = wanted.allow_from.iter().chain(&own).cloned().collect();
    let of_fleet = format!("{FLEET_LABEL}={fleet}");
    [
        WantedFirewall {
            name: fleet.clone(),
            rules,
            selector: of_fleet.clone(),
        },
        WantedFirewall {
            name: format!("{fleet}-{CONTROL_PLANE}"),
            rules: inbound("Kubernetes API", Protocol::Tcp, KUBERNETES_API, &api).collect(),
            selector: format!("{of_fleet},{ROLE_LABEL}={CONTROL_PLANE}"),
        },
    ]
}

/// As many rules as the sources need; none without a source, for a rule without one is not allowed.
fn inbound(
    what: &str,
    protocol: Protocol,
    port: u16,
    from: &[String],
) -> impl Iterator<Item = Rule> {
    let chunks = from.chunks(CIDRS_A_RULE);
    chunks.map(move |from| rule(what, protocol.clone(), Some(port), from))
}

fn rule(what: &str, protocol: Protocol, port: Option<u16>, from: &[String]) -> Rule {
    Rule {
        description: Some(what.to_owned()),
        direction: Direction::In,
        protocol,
        port: port.map(|port| port.to_string()),
        source_ips: from.to_vec(),
        destination_ips: Vec::new(),
    }
}
