//! The Hetzner Cloud API v1, as a server with state: servers, actions, prices, limits, and faults on
//! demand. The official SDKs and tools work against it unchanged. Behind its servers runs nothing.
//!
//! What it does not have: load balancers, certificates, ISOs, DNS zones, storage boxes, metrics, consoles.

mod actions;
mod addresses;
mod bill;
mod catalog;
mod clock;
mod control;
mod dns;
mod errors;
mod faults;
mod fields;
mod firewalls;
mod floating_ips;
mod gate;
mod images;
mod labels;
mod line;
mod list;
mod metadata;
mod money;
mod networks;
mod offers;
mod pace;
mod placement_groups;
mod primary_ips;
mod project;
mod rate;
mod resource;
mod route;
mod seed;
mod servers;
mod ssh_keys;
mod volumes;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::Ipv4Net;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

pub use self::actions::Action;
pub use self::bill::{Bill, Item};
pub use self::catalog::{
    Catalog, Deprecation, Location, Money, Offer, Price, ServerType, SystemImage,
};
pub use self::dns::DnsNames;
pub use self::faults::{Fault, Faults, On};
pub use self::firewalls::{Firewall, Rule, Target};
pub use self::floating_ips::FloatingIp;
pub use self::gate::RequestSeen;
use self::gate::{Gate, Tokens};
pub use self::images::Image;
pub use self::labels::Labels;
use self::line::{Client, Lines};
pub use self::networks::{Network, NetworkRoute, Subnet};
pub use self::pace::{Limits, Pace, Rate};
pub use self::placement_groups::PlacementGroup;
pub use self::primary_ips::PrimaryIp;
use self::project::Project;
pub use self::project::State;
use self::rate::Bucket;
pub use self::resource::{Meta, Table};
pub use self::servers::{PrivateNet, Server, UserData};
pub use self::ssh_keys::SshKey;
pub use self::volumes::Volume;

/// The usual token: as long as the command line tool wants one.
pub const TOKEN: &str = "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt";

/// How the API behaves.
#[derive(Clone)]
pub struct Options {
    /// Where to listen; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// May read and write.
    pub token: String,
    /// May only read.
    pub read_token: Option<String>,
    /// What can be ordered.
    pub catalog: Catalog,
    /// How long things take.
    pub pace: Pace,
    /// How many there may be.
    pub limits: Limits,
    /// How many requests an hour.
    pub rate: Rate,
    /// Where the addresses of servers come from: of this machine, so that nothing outside is ever dialled.
    pub ipv4: Ipv4Net,
    /// Where to serve what a server learns about itself, if anywhere; port 0 lets the system choose.
    pub metadata: Option<SocketAddr>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            token: TOKEN.to_owned(),
            read_token: None,
            catalog: Catalog::default(),
            pace: Pace::default(),
            limits: Limits::default(),
            rate: Rate::default(),
            ipv4: Ipv4Net::new_assert(Ipv4Addr::new(127, 80, 0, 0), 16),
            metadata: None,
        }
    }
}

impl fmt::Debug for Options {
    /// Without the tokens.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            listen,
            pace,
            limits,
            rate,
            ipv4,
            metadata,
            token: _,
            read_token: _,
            catalog: _,
        } = self;
        formatter
            .debug_struct("Options")
            .field("listen", listen)
            .field("pace", pace)
            .field("limits", limits)
            .field("rate", rate)
            .field("ipv4", ipv4)
            .field("metadata", metadata)
            .finish_non_exhaustive()
    }
}

/// What the connections share.
struct Shared {
    gate: Mutex<Gate>,
    faults: Arc<Faults>,
}

impl Shared {
    /// The gate, with everything that is due having happened.
    fn now(&self) -> MutexGuard<'_, Gate> {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        gate.project.advance(Instant::now());
        gate
    }
}

/// A running API. It ends when it is dropped, with all connections.
pub struct Api {
    address: SocketAddr,
    metadata_address: Option<SocketAddr>,
    shared: Arc<Shared>,
    _serving: Vec<AbortOnDropHandle<()>>,
    _lines: DropGuard,
}

impl fmt::Debug for Api {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Api")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Api {
    /// Listens and serves.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let Options {
            listen,
            token,
            read_token,
            catalog,
            pace,
            limits,
            rate,
            ipv4,
            metadata,
        } = options;
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let faults = Arc::new(Faults::default());
        let project = Project::new(catalog, pace, limits, ipv4, Arc::clone(&faults));
        let tokens = Tokens {
            write: token,
            read: read_token,
        };
        let bucket = Bucket::full(rate, Instant::now());
        let gate = Mutex::new(Gate::new(project, tokens, bucket, address.to_string()));
        let shared = Arc::new(Shared { gate, faults });
        let cut = CancellationToken::new();
        let metadata = match metadata {
            Some(listen) => Some(TcpListener::bind(listen).await?),
            None => None,
        };
        let metadata_address = metadata.as_ref().map(TcpListener::local_addr).transpose()?;
        let mut serving = vec![serve_api(listener, &cut, &shared)];
        serving.extend(metadata.map(|listener| serve_metadata(listener, &shared)));
        Ok(Self {
            address,
            metadata_address,
            shared,
            _serving: serving,
            _lines: cut.drop_guard(),
        })
    }

    /// What clients take for `https://api.hetzner.cloud/v1`.
    pub fn endpoint(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where servers learn about themselves.
    pub fn metadata_address(&self) -> Option<SocketAddr> {
        self.metadata_address
    }

    /// What can go wrong.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// What costs money, and how much it has cost until now.
    pub fn bill(&self) -> Bill {
        self.shared.now().project.bill()
    }

    /// The requests that came, the oldest first.
    pub fn requests(&self) -> Vec<RequestSeen> {
        self.shared.now().seen.iter().cloned().collect()
    }

    /// Forgets the requests that came.
    pub fn forget_requests(&self) {
        self.shared.now().seen.clear();
    }

    /// All resources as they are now.
    pub fn state(&self) -> State {
        self.shared.now().project.state.clone()
    }
}

fn serve_api(
    listener: TcpListener,
    cut: &CancellationToken,
    shared: &Arc<Shared>,
) -> AbortOnDropHandle<()> {
    let lines = Lines {
        listener,
        cut: cut.clone(),
    };
    let service =
        control::router(Arc::clone(shared)).into_make_service_with_connect_info::<Client>();
    AbortOnDropHandle::new(tokio::spawn(async move {
        // Never ends by itself.
        let _ = axum::serve(lines, service).await;
    }))
}

fn serve_metadata(listener: TcpListener, shared: &Arc<Shared>) -> AbortOnDropHandle<()> {
    let service =
        metadata::router(Arc::clone(shared)).into_make_service_with_connect_info::<SocketAddr>();
    AbortOnDropHandle::new(tokio::spawn(async move {
        // Never ends by itself.
        let _ = axum::serve(listener, service).await;
    }))
}
