//! Who may reach a fleet's servers.
//!
//! Two firewalls hold for a fleet, both found by label: one for all servers, and one more for the control plane's.
//! What is between servers is open only to the fleet's own addresses, so the rules follow the servers.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use fleet_api::names::CONTROL_PLANE;
use fleet_hetzner::{Direction, LabelSelector, Protocol, Rule};

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
    pub selector: LabelSelector,
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
    [
        WantedFirewall {
            name: fleet.clone(),
            rules,
            selector: wanted.all.clone(),
        },
        WantedFirewall {
            name: format!("{fleet}-{CONTROL_PLANE}"),
            rules: inbound("Kubernetes API", Protocol::Tcp, KUBERNETES_API, &api).collect(),
            selector: wanted.control_plane.clone(),
        },
    ]
}

/// The order of rules and of addresses says nothing; the API keeps its own.
pub(crate) fn same_rules(a: &[Rule], b: &[Rule]) -> bool {
    let normal = |rules: &[Rule]| {
        let key = |rule: &Rule| {
            let mut sources = rule.source_ips.clone();
            sources.sort();
            (
                rule.direction.clone(),
                rule.protocol.clone(),
                rule.port.clone(),
                sources,
            )
        };
        rules.iter().map(key).collect::<BTreeSet<_>>()
    };
    normal(a) == normal(b)
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
