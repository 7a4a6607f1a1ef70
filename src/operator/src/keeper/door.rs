//! How new servers come into the cluster that the operator runs in.

use std::pin::Pin;
use std::sync::Arc;

use fleet_hetzner::Server;
use secrecy::SecretString;
use tokio::sync::OnceCell;

use super::memory::Memory;
use super::options::KeeperOptions;
use crate::cluster::{
    Cluster, ClusterError, Joining, advertised_address, authority, authority_hash, create_token,
    forget_node,
};
use crate::servers::{Admit, Entrance, JoinError, Setup, WantedServer};

/// The certificate of the cluster's authority, which does not change while the operator runs.
#[derive(Debug, Default)]
pub(super) struct Authority(OnceCell<String>);

impl Authority {
    async fn get(&self, cluster: &Cluster) -> Result<&str, ClusterError> {
        let certificate = self.0.get_or_try_init(|| authority(cluster)).await;
        certificate.map(String::as_str)
    }
}

/// Lets a fleet's servers in.
pub(super) struct Door {
    pub(super) cluster: Cluster,
    pub(super) joining: Joining,
    pub(super) authority: Arc<Authority>,
    pub(super) memory: Arc<Memory>,
    /// The fleet's name, and the id by which it is remembered.
    pub(super) fleet: String,
    pub(super) id: String,
}

impl Door {
    /// What new servers are told; `None` where it is not known what they could join. `control_plane` is the fleet's own.
    pub(super) async fn setup(
        self,
        options: &KeeperOptions,
        control_plane: Option<&Server>,
    ) -> Result<Option<Setup>, ClusterError> {
        let own = control_plane.and_then(Server::ipv4);
        let address = match (&options.join_address, own) {
            (Some(address), _) => Some(address.clone()),
            (None, Some(address)) => Some(format!("https://{address}:6443")),
            (None, None) => advertised_address(&self.cluster).await?,
        };
        let Some(address) = address else {
            return Ok(None);
        };
        let kubeadm = match self.joining {
            Joining::K3s => None,
            Joining::Kubeadm => Some(authority_hash(self.authority.get(&self.cluster).await?)?),
        };
        Ok(Some(Setup::Nodes(Entrance {
            address,
            kubeadm,
            door: Arc::new(self),
        })))
    }

    async fn admit(&self, server: &str) -> Result<SecretString, ClusterError> {
        let cluster = &self.cluster;
        // A machine of this name that was there before is another one.
        forget_node(cluster, server).await?;
        self.memory.keep_tokens(&self.id, None);
        let token = create_token(cluster, &self.fleet, server, self.joining).await?;
        match self.joining {
            Joining::K3s => token.secure(self.authority.get(cluster).await?),
            Joining::Kubeadm => Ok(token.plain()),
        }
    }
}

impl Admit for Door {
    fn token<'a>(
        &'a self,
        server: &'a WantedServer,
    ) -> Pin<Box<dyn Future<Output = Result<SecretString, JoinError>> + Send + 'a>> {
        Box::pin(async move { Ok(self.admit(&server.name).await?) })
    }
}
