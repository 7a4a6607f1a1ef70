//! What a spec must keep to beyond its types. Each rule stands here once, as the CEL expression that
//! the API server evaluates and as Rust for use without one, with one message for both.

use std::collections::HashSet;

use ipnet::IpNet;

use crate::collector::{
    Canary, Database, ExternalDatabase, Listen, Region, ResearchCollector, ResearchCollectorSpec,
};
use crate::infrastructure::{ControlPlane, Hetzner, Infrastructure, PrivateNetwork};
use crate::names::{CANARY_CLIENT, CONTROL_PLANE};

/// A rule of the CRD.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CelRule {
    pub(crate) rule: &'static str,
    pub(crate) message: &'static str,
}

pub(crate) const NETWORK_FIXED: CelRule = CelRule {
    rule: "self == oldSelf",
    message: "network cannot be changed: make another ResearchCollector for another network",
};

pub(crate) const SERVER: CelRule = CelRule {
    rule: r"self.matches('^[^\\s:/]+:[0-9]{1,5}$')",
    message: "write host:port, for example server.slsknet.org:2416",
};

pub(crate) const REGION_NAME: CelRule = CelRule {
    rule: r"self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
    message: "a region's name has lower-case letters, digits and dashes, and begins and ends with a \
              letter or digit, for example us-west",
};

pub(crate) const REGION_RESERVED: CelRule = CelRule {
    rule: "self != 'canary'",
    message: "`canary` is the client_id under which the fleet's own searches are noted: write another name",
};

pub(crate) const REGION_CONTROL_PLANE: CelRule = CelRule {
    rule: "self != 'control-plane'",
    message: "`control-plane` is the name of the fleet's first server: write another name",
};

pub(crate) const FLEET_NAME: CelRule = CelRule {
    rule: "self.spec.regions.all(region, size(self.metadata.name) + size(region.name) < 63) && \
           size(self.metadata.name) < 50",
    message: "the fleet's name is too long: with a dash and the region's it names a server, which may have 63 \
              characters, so write at most 22, or shorter names of regions",
};

pub(crate) const LOCATION_OF_WHAT: CelRule = CelRule {
    rule: "has(self.infrastructure) || !self.regions.exists(region, has(region.location))",
    message: "a region has a location, but the fleet has no servers: write infrastructure.hetzner, or leave location out",
};

pub(crate) const TYPES_OF_WHAT: CelRule = CelRule {
    rule: "!has(self.serverTypes) || size(self.serverTypes) == 0 || has(self.location)",
    message: "a region without a location has no server of its own: write a location, or leave serverTypes out",
};

pub(crate) const ALLOW_FROM: CelRule = CelRule {
    rule: "self.all(range, isCIDR(range))",
    message: "write address ranges, for example 203.0.113.7/32 or 2001:db8::/48",
};

pub(crate) const IP_RANGE: CelRule = CelRule {
    rule: "isCIDR(self) && cidr(self).prefixLength() >= 8 && cidr(self).prefixLength() <= 24 && \
           ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].exists(private, cidr(private).containsCIDR(self))",
    message: "write a private range of at least 256 addresses, for example 10.80.0.0/16",
};

pub(crate) const CANARY_SECRET: CelRule = CelRule {
    rule: "!has(self.canary) || self.regions.all(region, region.credentialsSecretRef.name != \
           self.canary.credentialsSecretRef.name)",
    message: "a region uses the canary's Secret: give the canary an account of its own",
};

pub(crate) const PORTS_DIFFER: CelRule = CelRule {
    rule: "self.port != self.obfuscatedPort",
    message: "port and obfuscatedPort must differ: leave obfuscatedPort away, or write 0 to offer none",
};

/// Something in a spec that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Violation {
    /// Where, from `spec` on.
    pub path: String,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// Everything in the spec that the API server would refuse.
pub fn validate(collector: &ResearchCollector) -> Vec<Violation> {
    let ResearchCollectorSpec {
        network: _,
        soulseek,
        regions,
        privacy: _,
        canary,
        database,
        infrastructure,
    } = &collector.spec;
    let mut violations = Vec::new();
    let mut check = |holds: bool, path: String, message: &str| {
        if !holds {
            violations.push(Violation {
                path,
                message: message.to_owned(),
            });
        }
    };
    check(
        is_server(&soulseek.server),
        "spec.soulseek.server".to_owned(),
        SERVER.message,
    );
    check(
        (157..=178).contains(&soulseek.client_version),
        "spec.soulseek.clientVersion".to_owned(),
        "write a number from 157 to 178, best 177: older versions are refused, newer ones get no searches",
    );
    check(
        (1..=64).contains(&regions.len()),
        "spec.regions".to_owned(),
        "write 1 to 64 regions",
    );
    let mut names = HashSet::new();
    for (index, region) in regions.iter().enumerate() {
        let at = |field: &str| format!("spec.regions[{index}].{field}");
        let Region {
            name,
            credentials_secret_ref,
            listen,
            location,
            server_types,
        } = region;
        check(is_region_name(name), at("name"), REGION_NAME.message);
        check(name != CANARY_CLIENT, at("name"), REGION_RESERVED.message);
        check(
            names.insert(name),
            at("name"),
            "two regions have this name: each needs its own, for it marks the records",
        );
        check(
            !credentials_secret_ref.name.is_empty(),
            at("credentialsSecretRef.name"),
            "write the name of the Secret with `username` and `password`",
        );
        let Listen {
            port,
            obfuscated_port,
        } = listen;
        check(
            (1..=65535).contains(port),
            at("listen.port"),
            "write a port from 1 to 65535",
        );
        check(
            (0..=65535).contains(obfuscated_port),
            at("listen.obfuscatedPort"),
            "write a port from 1 to 65535, or 0 to offer none",
        );
        check(port != obfuscated_port, at("listen"), PORTS_DIFFER.message);
        check(
            location.is_none() || infrastructure.is_some(),
            at("location"),
            LOCATION_OF_WHAT.message,
        );
        check(
            server_types.is_empty() || location.is_some(),
            at("serverTypes"),
            TYPES_OF_WHAT.message,
        );
        check(
            name != CONTROL_PLANE,
            at("name"),
            REGION_CONTROL_PLANE.message,
        );
        let fleet = collector.metadata.name.as_deref().unwrap_or_default();
        check(
            fleet.len() + name.len() < 63 && fleet.len() < 50,
            "metadata.name".to_owned(),
            FLEET_NAME.message,
        );
    }
    if let Some(Canary {
        credentials_secret_ref,
        per_hour,
    }) = canary
    {
        let at = "spec.canary.credentialsSecretRef.name";
        check(
            !credentials_secret_ref.name.is_empty(),
            at.to_owned(),
            "write the name of the Secret with `username` and `password`",
        );
        let is_own = |region: &Region| region.credentials_secret_ref != *credentials_secret_ref;
        check(
            regions.iter().all(is_own),
            at.to_owned(),
            CANARY_SECRET.message,
        );
        check(
            (1..=60).contains(per_hour),
            "spec.canary.perHour".to_owned(),
            "write a number from 1 to 60",
        );
    }
    if let Some(Database {
        external: ExternalDatabase { url_secret_ref },
    }) = database
    {
        check(
            !url_secret_ref.name.is_empty(),
            "spec.database.external.urlSecretRef.name".to_owned(),
            "write the name of the Secret with `url`",
        );
    }
    if let Some(Infrastructure { hetzner }) = infrastructure {
        check_hetzner(hetzner, &mut check);
    }
    violations
}

fn check_hetzner(hetzner: &Hetzner, check: &mut impl FnMut(bool, String, &str)) {
    let Hetzner {
        token_secret_ref: _,
        image,
        ssh_keys: _,
        allow_from,
        control_plane:
            ControlPlane {
                locations,
                server_types,
                volume_gb,
            },
        placement: _,
        network,
    } = hetzner;
    let at = |field: &str| format!("spec.infrastructure.hetzner.{field}");
    check(
        !image.is_empty(),
        at("image"),
        "write the name of a system image, for example debian-12",
    );
    check(
        !allow_from.is_empty()
            && allow_from
                .iter()
                .all(|range| range.parse::<IpNet>().is_ok()),
        at("allowFrom"),
        ALLOW_FROM.message,
    );
    check(
        !locations.is_empty(),
        at("controlPlane.locations"),
        "write at least one location, for example nbg1",
    );
    check(
        !server_types.is_empty(),
        at("controlPlane.serverTypes"),
        "write at least one server type, for example cx33",
    );
    check(
        volume_gb.is_none_or(|size| (10..=10240).contains(&size)),
        at("controlPlane.volumeGb"),
        "write a size from 10 to 10240 GB",
    );
    if let Some(PrivateNetwork { ip_range }) = network {
        check(
            is_private_range(ip_range),
            at("network.ipRange"),
            IP_RANGE.message,
        );
    }
}

/// A range of RFC 1918 with at least 256 addresses.
fn is_private_range(range: &str) -> bool {
    let Ok(IpNet::V4(net)) = range.parse::<IpNet>() else {
        return false;
    };
    (8..=24).contains(&net.prefix_len())
        && net.network().is_private()
        && net.broadcast().is_private()
}

/// As [`SERVER`] has it, and the port is one.
fn is_server(server: &str) -> bool {
    server.rsplit_once(':').is_some_and(|(host, port)| {
        let plain = |c: char| !c.is_whitespace() && c != ':' && c != '/';
        !host.is_empty()
            && host.chars().all(plain)
            && port.chars().all(|c| c.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port != 0)
    })
}

/// As [`REGION_NAME`] has it, and not too long.
fn is_region_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=40).contains(&name.len())
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}
