//! What servers are told at their first boot.

use std::error::Error;
use std::fmt;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;

use secrecy::SecretString;

use super::found::Found;
use super::plan::Digests;
use super::wanted::{Role, Wanted, WantedServer};
use crate::cloud_init::{self, Host, RenderError, Rendered, render};

/// Tokens of the right form that let nobody in, for digests, which do not depend on them.
const NO_TOKEN: &str =
    "K100000000000000000000000000000000000000000000000000000000000000000::000000.0000000000000000";
const NO_KUBEADM_TOKEN: &str = "000000.0000000000000000";

/// What servers become.
#[derive(Clone)]
pub enum Setup {
    /// Hardened machines without a cluster.
    Hosts,
    /// One k3s server, and agents that join it.
    Cluster(Arc<dyn Join>),
    /// Nodes of a cluster that is there. Its control plane is somebody else's business.
    Nodes(Entrance),
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hosts => "Hosts",
            Self::Cluster(_) => "Cluster",
            Self::Nodes(_) => "Nodes",
        })
    }
}

/// Whoever can let a server into the cluster.
pub trait Join: Send + Sync {
    /// A token that is good for an hour, for the k3s agent on this server. Waits until the control plane can be joined.
    fn token<'j>(
        &'j self,
        server: &'j WantedServer,
        control_plane: &'j Base,
    ) -> Pin<Box<dyn Future<Output = Result<SecretString, JoinError>> + Send + 'j>>;
}

/// A cluster that is there, as a server meets it that joins.
#[derive(Clone)]
pub struct Entrance {
    /// Its API server, `https://HOST:PORT`.
    pub address: String,
    /// `sha256:` and the digest of the authority's key, where servers join with kubeadm. Without it they become agents
    /// of k3s.
    pub kubeadm: Option<String>,
    /// Whoever lets them in.
    pub door: Arc<dyn Admit>,
}

/// Whoever lets a server into a cluster that is there.
pub trait Admit: Send + Sync {
    /// A token that is good for an hour, in the form that the server's way of joining takes.
    fn token<'a>(
        &'a self,
        server: &'a WantedServer,
    ) -> Pin<Box<dyn Future<Output = Result<SecretString, JoinError>> + Send + 'a>>;
}

impl fmt::Debug for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entrance")
            .field("address", &self.address)
            .field("kubeadm", &self.kubeadm)
            .finish_non_exhaustive()
    }
}

/// Why a server is not let in.
pub type JoinError = Box<dyn Error + Send + Sync>;

/// What others have to know of the control plane's server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Its address.
    pub address: Ipv4Addr,
    /// The block device of its volume.
    pub data_device: Option<String>,
}

/// A server cannot be told what to do.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The text cannot be made.
    #[error("cannot write what the server is told")]
    Render(#[from] RenderError),
    /// The control plane, which it would join, is not there.
    #[error("it is not made without the control plane, which it would join")]
    NoControlPlane,
    /// A control plane is only made from outside of its cluster.
    #[error("the control plane is not made from within its own cluster")]
    NotOurs,
    /// The control plane does not let it join.
    #[error("cannot let it join the cluster")]
    Join(#[source] JoinError),
}

impl Setup {
    /// What this server is told. A server that joins waits until the control plane can be joined.
    pub(super) async fn user_data(
        &self,
        wanted: &Wanted,
        server: &WantedServer,
        base: Option<&Base>,
    ) -> Result<Rendered, SetupError> {
        let token = match (self, &server.role) {
            (Self::Cluster(join), Role::Region(_)) => {
                let base = base.ok_or(SetupError::NoControlPlane)?;
                join.token(server, base).await.map_err(SetupError::Join)?
            }
            (Self::Nodes(entrance), Role::Region(_)) => {
                let token = entrance.door.token(server).await;
                token.map_err(SetupError::Join)?
            }
            _ => self.no_token(),
        };
        self.render(wanted, server, base, token)
    }

    /// Whether a server has to wait for the control plane.
    pub(super) fn joins(&self, server: &WantedServer) -> bool {
        matches!((self, &server.role), (Self::Cluster(_), Role::Region(_)))
    }

    /// What the servers that are there would be told today.
    pub fn digests(&self, wanted: &Wanted, found: &Found) -> Result<Digests, SetupError> {
        let base = found.base(wanted);
        let mut digests = Digests::new();
        for server in &wanted.servers {
            let not_known = self.joins(server) && base.is_none();
            let not_ours = matches!((self, &server.role), (Self::Nodes(_), Role::ControlPlane));
            if not_known || not_ours {
                continue;
            }
            let rendered = self.render(wanted, server, base.as_ref(), self.no_token())?;
            digests.insert(server.name.clone(), rendered.digest);
        }
        Ok(digests)
    }

    fn no_token(&self) -> SecretString {
        match self {
            Self::Nodes(Entrance {
                kubeadm: Some(_), ..
            }) => NO_KUBEADM_TOKEN.into(),
            _ => NO_TOKEN.into(),
        }
    }

    fn render(
        &self,
        wanted: &Wanted,
        server: &WantedServer,
        base: Option<&Base>,
        token: SecretString,
    ) -> Result<Rendered, SetupError> {
        let host = Host {
            name: server.name.clone(),
            tcp_ports_anywhere: server.ports.clone(),
            node_labels: server.labels(&wanted.fleet),
            ..Host::default()
        };
        let role = match (self, &server.role) {
            (Self::Hosts, _) => cloud_init::Role::Host,
            (Self::Cluster(_), Role::ControlPlane) => cloud_init::Role::K3sServer {
                data_device: base.and_then(|base| base.data_device.clone()),
                tls_sans: Vec::new(),
            },
            (Self::Cluster(_), Role::Region(_)) => {
                let address = base.ok_or(SetupError::NoControlPlane)?.address;
                cloud_init::Role::K3sAgent {
                    server: format!("https://{address}:6443"),
                    token,
                }
            }
            (Self::Nodes(_), Role::ControlPlane) => return Err(SetupError::NotOurs),
            (Self::Nodes(entrance), Role::Region(_)) => entrance.role(token),
        };
        Ok(render(&host, &role)?)
    }
}

impl Entrance {
    fn role(&self, token: SecretString) -> cloud_init::Role {
        let server = self.address.clone();
        match &self.kubeadm {
            None => cloud_init::Role::K3sAgent { server, token },
            Some(hash) => cloud_init::Role::KubeadmNode {
                endpoint: server.trim_start_matches("https://").to_owned(),
                token,
                ca_hash: hash.clone(),
                ignore_preflight_errors: Vec::new(),
            },
        }
    }
}
