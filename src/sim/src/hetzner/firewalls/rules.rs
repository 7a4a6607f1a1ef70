//! The rules of a firewall, and what is wrong with them.

use ipnet::IpNet;
use serde::Serialize;

use crate::hetzner::fields::Fields;

const MOST_RULES: usize = 50;
const MOST_NETWORKS: usize = 100;
const LONGEST_DESCRIPTION: usize = 255;

/// What may pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// For people.
    pub description: Option<String>,
    /// `in` or `out`.
    pub direction: String,
    /// Where it comes from, of rules for `in`.
    pub source_ips: Vec<String>,
    /// Where it goes to, of rules for `out`.
    pub destination_ips: Vec<String>,
    /// `tcp`, `udp`, `icmp`, `esp` or `gre`.
    pub protocol: String,
    /// `80`, or `60000-60001`; only of `tcp` and `udp`.
    pub port: Option<String>,
}

pub(super) fn read_rules(fields: &mut Fields) -> Vec<Rule> {
    let rules = fields.each("rules", |fields| {
        let rule = Rule {
            description: fields.optional("description"),
            direction: fields.choice("direction", &["in", "out"]),
            source_ips: fields.optional("source_ips").unwrap_or_default(),
            destination_ips: fields.optional("destination_ips").unwrap_or_default(),
            protocol: fields.choice("protocol", &["tcp", "udp", "icmp", "esp", "gre"]),
            port: fields.optional("port"),
        };
        check(fields, &rule);
        rule
    });
    if rules.len() > MOST_RULES {
        fields.wrong("rules", format!("may have at most {MOST_RULES} items"));
    }
    rules
}

fn check(fields: &mut Fields, rule: &Rule) {
    let (used, networks, unused, others) = match rule.direction.as_str() {
        "out" => (
            "destination_ips",
            &rule.destination_ips,
            "source_ips",
            &rule.source_ips,
        ),
        _ => (
            "source_ips",
            &rule.source_ips,
            "destination_ips",
            &rule.destination_ips,
        ),
    };
    if networks.is_empty() {
        fields.wrong(used, "Missing data for required field.");
    }
    if !others.is_empty() {
        fields.wrong(
            unused,
            format!("may not be given where the direction is {}", rule.direction),
        );
    }
    if networks.len() > MOST_NETWORKS {
        fields.wrong(used, format!("may have at most {MOST_NETWORKS} items"));
    }
    for network in networks {
        let parsed = network.parse::<IpNet>();
        if !parsed.is_ok_and(|parsed| parsed.trunc() == parsed) {
            fields.wrong(
                used,
                format!("'{network}' is not a network in CIDR notation"),
            );
        }
    }
    let has_ports = ["tcp", "udp"].contains(&rule.protocol.as_str());
    match &rule.port {
        Some(_) if !has_ports => fields.wrong("port", format!("{} has no ports", rule.protocol)),
        Some(port) if !is_port(port) => {
            fields.wrong("port", "has to be a port or a range of ports")
        }
        None if has_ports => fields.wrong("port", "Missing data for required field."),
        _ => {}
    }
    let longest = LONGEST_DESCRIPTION;
    if rule
        .description
        .as_ref()
        .is_some_and(|text| text.chars().count() > longest)
    {
        fields.wrong(
            "description",
            format!("may have at most {longest} characters"),
        );
    }
}

fn is_port(text: &str) -> bool {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse::<u16>().ok().filter(|&port| port > 0);
    text == "any"
        || number(first)
            .zip(number(last))
            .is_some_and(|(first, last)| first <= last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_ranges() {
        for port in ["80", "60000-60001", "1-65535", "any"] {
            assert!(is_port(port), "{port}");
        }
        for port in ["", "0", "65536", "9-8", "1-", "-1", "80,443", "http"] {
            assert!(!is_port(port), "{port}");
        }
    }
}
