//! What a spec must keep to beyond its types. Each rule stands here once, as the CEL expression that
//! the API server evaluates and as Rust for use without one, with one message for both.

use std::collections::HashSet;

use ipnet::IpNet;

use crate::archive::{Archive, ArchiveDestination, Bucket, Reports};
use crate::collector::{Canary, Listen, Region, ResearchCollector, ResearchCollectorSpec};
use crate::database::{Backup, Database, ExternalDatabase, ManagedDatabase, Pooler};
use crate::infrastructure::{ControlPlane, Hetzner, Infrastructure, PrivateNetwork};
use crate::names::{CANARY_CLIENT, CONTROL_PLANE};
use crate::policy::UpdatePolicy;
use crate::resources::{Amounts, Resources, Volume};

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

pub(crate) const INFRASTRUCTURE_STAYS: CelRule = CelRule {
    rule: "!has(oldSelf.infrastructure) || has(self.infrastructure)",
    message: "infrastructure cannot be removed while there may be servers: take the locations away from the regions, or \
              delete the fleet",
};

pub(crate) const TOKEN_STAYS: CelRule = CelRule {
    rule: "!has(oldSelf.tokenSecretRef) || has(self.tokenSecretRef)",
    message: "tokenSecretRef cannot be removed: nobody would keep the servers, or delete them",
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

pub(crate) const QUANTITY: CelRule = CelRule {
    rule: "isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))",
    message: "write an amount as Kubernetes has it, for example 500m, 256Mi or 50Gi",
};

pub(crate) const ONLY_GROWS: CelRule = CelRule {
    rule: "!isQuantity(self) || !isQuantity(oldSelf) || quantity(self).compareTo(quantity(oldSelf)) >= 0",
    message: "a volume cannot shrink: write its present size or a larger one",
};

pub(crate) const CLASS_FIXED: CelRule = CelRule {
    rule: "self == oldSelf",
    message: "the class of a volume cannot be changed: take a backup, delete the volume, and restore it",
};

pub(crate) const SCHEDULE: CelRule = CelRule {
    rule: r"self.matches('^(@(hourly|daily|weekly|monthly|yearly)|([0-9A-Za-z*/,-]+ ){4}[0-9A-Za-z*/,-]+)$')",
    message: "write a time as cron has it, minute hour day month weekday, for example 0 2 1 * *",
};

pub(crate) const ONE_DATABASE: CelRule = CelRule {
    rule: "has(self.external) != has(self.managed)",
    message: "write one of external and managed, for example managed: {}",
};

pub(crate) const ONE_DESTINATION: CelRule = CelRule {
    rule: "has(self.volume) != has(self.s3)",
    message: "write one of volume and s3, for example volume: {size: 100Gi}",
};

pub(crate) const ARCHIVE_OF_WHAT: CelRule = CelRule {
    rule: "has(self.database) || !(has(self.archive) || has(self.reports))",
    message: "archive and reports work on a database: write database.managed or database.external, or leave them out",
};

pub(crate) const BUCKET: CelRule = CelRule {
    rule: "self.matches('^[a-z0-9][a-z0-9.-]*[a-z0-9]$')",
    message: "a bucket's name has lower-case letters, digits, dots and dashes",
};

pub(crate) const PREFIX: CelRule = CelRule {
    rule: "self == '' || self.matches('^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$') && !self.contains('..')",
    message: "write a prefix without a slash at either end, for example studies/2026",
};

pub(crate) const ENDPOINT: CelRule = CelRule {
    rule: r"self.matches('^https?://[^\\s/@]+$')",
    message: "write the address of the store without a path, for example https://fsn1.your-objectstorage.com",
};

pub(crate) const NODE_OR_SERVER: CelRule = CelRule {
    rule: "!has(self.location) || !has(self.nodeSelector) || size(self.nodeSelector) == 0",
    message: "a region with a location runs on its own server: leave location or nodeSelector out",
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
        archive,
        reports,
        update_policy,
        deletion_policy: _,
        suspend: _,
        image,
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
            node_selector,
            resources,
            spool,
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
        check(
            location.is_none() || node_selector.is_empty(),
            at("nodeSelector"),
            NODE_OR_SERVER.message,
        );
        check_resources(resources, &at("resources"), &mut check);
        check_volume(spool, &at("spool"), &mut check);
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
    if let Some(database) = database {
        check_database(database, &mut check);
    }
    check(
        database.is_some() || (archive.is_none() && reports.is_none()),
        "spec.database".to_owned(),
        ARCHIVE_OF_WHAT.message,
    );
    if let Some(archive) = archive {
        check_archive(archive, &mut check);
    }
    if let Some(Reports { schedule }) = reports {
        check(
            is_schedule(schedule),
            "spec.reports.schedule".to_owned(),
            SCHEDULE.message,
        );
    }
    let UpdatePolicy {
        collectors: _,
        deadline_minutes,
        servers: _,
        replace_not_ready_minutes,
    } = update_policy;
    check(
        (1..=1440).contains(deadline_minutes),
        "spec.updatePolicy.deadlineMinutes".to_owned(),
        "write a number from 1 to 1440",
    );
    check(
        (0..=1440).contains(replace_not_ready_minutes),
        "spec.updatePolicy.replaceNotReadyMinutes".to_owned(),
        "write a number from 1 to 1440, or 0 to replace none",
    );
    check(
        image.as_deref().is_none_or(is_image),
        "spec.image".to_owned(),
        IMAGE.message,
    );
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

/// The cluster takes it in a template, and then makes no pod of it.
pub(crate) const IMAGE: CelRule = CelRule {
    rule: r"self.matches('^\\S+$')",
    message: "write the name of an image without spaces, or leave it out",
};

/// As [`IMAGE`] has it.
fn is_image(name: &str) -> bool {
    !name.is_empty() && !name.contains(char::is_whitespace)
}

fn check_database(database: &Database, check: &mut impl FnMut(bool, String, &str)) {
    let Database { external, managed } = database;
    check(
        external.is_some() != managed.is_some(),
        "spec.database".to_owned(),
        ONE_DATABASE.message,
    );
    if let Some(ExternalDatabase { url_secret_ref }) = external {
        check(
            !url_secret_ref.name.is_empty(),
            "spec.database.external.urlSecretRef.name".to_owned(),
            "write the name of the Secret with `url`",
        );
    }
    let Some(ManagedDatabase {
        image,
        volume,
        resources,
        pooler: Pooler {
            image: pooler,
            replicas,
        },
        node_selector: _,
        backup,
    }) = managed
    else {
        return;
    };
    let at = |field: &str| format!("spec.database.managed.{field}");
    check(is_image(image), at("image"), IMAGE.message);
    check_volume(volume, &at("volume"), check);
    check_resources(resources, &at("resources"), check);
    check(is_image(pooler), at("pooler.image"), IMAGE.message);
    check(
        (0..=10).contains(replicas),
        at("pooler.replicas"),
        "write a number from 1 to 10, or 0 for none",
    );
    if let Some(Backup {
        schedule,
        keep,
        volume,
    }) = backup
    {
        check(
            is_schedule(schedule),
            at("backup.schedule"),
            SCHEDULE.message,
        );
        check(
            (1..=365).contains(keep),
            at("backup.keep"),
            "write a number from 1 to 365",
        );
        check_volume(volume, &at("backup.volume"), check);
    }
}

fn check_archive(archive: &Archive, check: &mut impl FnMut(bool, String, &str)) {
    let Archive {
        schedule,
        keep_months,
        format: _,
        destination: ArchiveDestination { volume, s3 },
        resources,
    } = archive;
    let at = |field: &str| format!("spec.archive.{field}");
    check(is_schedule(schedule), at("schedule"), SCHEDULE.message);
    check(
        (0..=120).contains(keep_months),
        at("keepMonths"),
        "write a number of months from 0 to 120",
    );
    check_resources(resources, &at("resources"), check);
    check(
        volume.is_some() != s3.is_some(),
        at("destination"),
        ONE_DESTINATION.message,
    );
    if let Some(volume) = volume {
        check_volume(volume, &at("destination.volume"), check);
    }
    let Some(Bucket {
        bucket,
        prefix,
        endpoint,
        region: _,
        credentials_secret_ref,
    }) = s3
    else {
        return;
    };
    let at = |field: &str| format!("spec.archive.destination.s3.{field}");
    check(is_bucket(bucket), at("bucket"), BUCKET.message);
    check(is_prefix(prefix), at("prefix"), PREFIX.message);
    check(
        endpoint.as_deref().is_none_or(is_endpoint),
        at("endpoint"),
        ENDPOINT.message,
    );
    check(
        !credentials_secret_ref.name.is_empty(),
        at("credentialsSecretRef.name"),
        "write the name of the Secret with `access-key-id` and `secret-access-key`",
    );
}

fn check_resources(resources: &Resources, at: &str, check: &mut impl FnMut(bool, String, &str)) {
    let Resources { requests, limits } = resources;
    for (amounts, kind) in [(requests, "requests"), (limits, "limits")] {
        let Amounts { cpu, memory } = amounts;
        for (amount, what) in [(cpu, "cpu"), (memory, "memory")] {
            check(
                amount.as_deref().is_none_or(is_quantity),
                format!("{at}.{kind}.{what}"),
                QUANTITY.message,
            );
        }
    }
}

fn check_volume(volume: &Volume, at: &str, check: &mut impl FnMut(bool, String, &str)) {
    let Volume {
        size,
        storage_class_name: _,
    } = volume;
    check(is_quantity(size), format!("{at}.size"), QUANTITY.message);
}

/// As [`QUANTITY`] has it.
fn is_quantity(text: &str) -> bool {
    crate::resources::quantity(text).is_some_and(|amount| amount > 0.0)
}

/// As [`SCHEDULE`] has it.
fn is_schedule(text: &str) -> bool {
    let names = ["@hourly", "@daily", "@weekly", "@monthly", "@yearly"];
    let fields: Vec<_> = text.split(' ').collect();
    let fits = |c: char| c.is_ascii_alphanumeric() || "*/,-".contains(c);
    let is_field = |field: &&str| !field.is_empty() && field.chars().all(fits);
    names.contains(&text) || (fields.len() == 5 && fields.iter().all(is_field))
}

/// As [`BUCKET`] has it.
fn is_bucket(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
    let outer = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.chars().all(inner)
        && name.starts_with(outer)
        && name.ends_with(outer)
}

/// As [`PREFIX`] has it.
fn is_prefix(prefix: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let is_part = |part: &str| !part.is_empty() && part.chars().all(fits);
    prefix.is_empty() || (prefix.split('/').all(is_part) && !prefix.contains(".."))
}

/// As [`ENDPOINT`] has it.
fn is_endpoint(endpoint: &str) -> bool {
    let host = ["https://", "http://"]
        .iter()
        .find_map(|scheme| endpoint.strip_prefix(scheme));
    host.is_some_and(|host| {
        !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == '/' || c == '@')
    })
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
