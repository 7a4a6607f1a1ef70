//! What a spec wants of a project: the servers, and what stands around them.

use std::collections::BTreeMap;

use fleet_api::names::{CONTROL_PLANE, FLEET_LABEL, REGION, REGION_LABEL, ROLE_LABEL};
use fleet_api::{ControlPlane, Hetzner, Infrastructure, Placement, Region, ResearchCollector};
use fleet_hetzner::{LabelError, LabelSelector};

/// Everything that a fleet wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The fleet's name, with which all names begin and which stands in the label of all that is ours.
    pub fleet: String,
    /// Selects all that is the fleet's.
    pub all: LabelSelector,
    /// Selects the control plane's server.
    pub control_plane: LabelSelector,
    /// The name of the system image.
    pub image: String,
    /// Who may log in.
    pub ssh_keys: Vec<SshKey>,
    /// From where SSH and the Kubernetes API can be reached, as CIDRs.
    pub allow_from: Vec<String>,
    /// The servers, the control plane's first.
    pub servers: Vec<WantedServer>,
    /// Size of the control plane's volume in GB, if it is to have one.
    pub volume_gb: Option<i32>,
    /// Addresses of the private network, a CIDR, if there is to be one.
    pub network: Option<String>,
    /// How servers in one location are spread.
    pub placement: Placement,
}

/// A server that a fleet wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedServer {
    /// Its name, `<fleet>-<region>`, unique in a project.
    pub name: String,
    /// What runs on it.
    pub role: Role,
    /// Where it may be, in the order of preference.
    pub locations: Vec<String>,
    /// Of which types it may be, in the order of preference; none means any that is large enough.
    pub server_types: Vec<String>,
    /// TCP ports that are open to everyone, for the collectors that run on it.
    pub ports: Vec<u16>,
}

/// What runs on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// The control plane, the database, and regions that have no server of their own.
    ControlPlane,
    /// A region's collector.
    Region(String),
}

/// A key that may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshKey {
    /// One that is in the project.
    Named(String),
    /// A public key, as OpenSSH writes it.
    Public(String),
}

impl Wanted {
    /// What the spec wants; `None` where it wants no servers. A name that cannot be a label is refused.
    pub fn of(collector: &ResearchCollector) -> Result<Option<Self>, LabelError> {
        let Some(Infrastructure { hetzner }) = &collector.spec.infrastructure else {
            return Ok(None);
        };
        let Hetzner {
            token_secret_ref: _,
            image,
            ssh_keys,
            allow_from,
            control_plane:
                ControlPlane {
                    locations,
                    server_types,
                    volume_gb,
                },
            placement,
            network,
        } = hetzner;
        let fleet = collector.metadata.name.clone().unwrap_or_default();
        let (own, shared): (Vec<_>, Vec<_>) = collector
            .spec
            .regions
            .iter()
            .partition(|region| region.location.is_some());
        let control_plane = WantedServer {
            name: format!("{fleet}-{CONTROL_PLANE}"),
            role: Role::ControlPlane,
            locations: locations.clone(),
            server_types: server_types.clone(),
            ports: shared.into_iter().flat_map(ports).collect(),
        };
        let regions = own.into_iter().map(|region| WantedServer {
            name: format!("{fleet}-{}", region.name),
            role: Role::Region(region.name.clone()),
            locations: region.location.iter().cloned().collect(),
            server_types: region.server_types.clone(),
            ports: ports(region),
        });
        let all = LabelSelector::new().equals(FLEET_LABEL, &fleet)?;
        Ok(Some(Self {
            control_plane: all.clone().equals(ROLE_LABEL, CONTROL_PLANE)?,
            all,
            image: image.clone(),
            ssh_keys: ssh_keys.iter().map(|key| SshKey::of(key)).collect(),
            allow_from: allow_from.clone(),
            servers: [control_plane].into_iter().chain(regions).collect(),
            volume_gb: *volume_gb,
            network: network.as_ref().map(|network| network.ip_range.clone()),
            placement: *placement,
            fleet,
        }))
    }
}

/// The ports on which a region's collector listens for other users.
fn ports(region: &Region) -> Vec<u16> {
    let ports = [region.listen.port, region.listen.obfuscated_port];
    let ports = ports
        .into_iter()
        .filter_map(|port| u16::try_from(port).ok());
    ports.filter(|&port| port != 0).collect()
}

impl WantedServer {
    /// The labels by which it is found again, and by which Kubernetes places pods on it.
    pub fn labels(&self, fleet: &str) -> BTreeMap<String, String> {
        let (role, region) = match &self.role {
            Role::ControlPlane => (CONTROL_PLANE, None),
            Role::Region(region) => (REGION, Some(region)),
        };
        let mut labels = BTreeMap::from([
            (FLEET_LABEL.to_owned(), fleet.to_owned()),
            (ROLE_LABEL.to_owned(), role.to_owned()),
        ]);
        labels.extend(region.map(|region| (REGION_LABEL.to_owned(), region.clone())));
        labels
    }
}

impl SshKey {
    /// OpenSSH writes the algorithm, a blank and the key; a name that has a blank is none of those that the API
    /// takes for a key's beginning.
    fn of(text: &str) -> Self {
        let algorithm = text.split_once(' ').map(|(first, _)| first);
        let is_public = algorithm.is_some_and(|first| {
            ["ssh-", "ecdsa-", "sk-"]
                .iter()
                .any(|prefix| first.starts_with(prefix))
        });
        if is_public {
            Self::Public(text.trim().to_owned())
        } else {
            Self::Named(text.to_owned())
        }
    }
}
