//! A connection to a cluster's API server.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use super::error::ClusterError;

/// An API server that has been reached and then says nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(30);

/// A cluster that can be talked to.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    server: String,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// The cluster of a kubeconfig's context: that of the file, else of `KUBECONFIG`, else of `~/.kube/config`; the
    /// context that is named, else the file's own. Nothing is sent yet.
    pub async fn connect(file: Option<&Path>, context: Option<&str>) -> Result<Self, ClusterError> {
        let origin = file.map_or_else(
            || "the kubeconfig".to_owned(),
            |file| file.display().to_string(),
        );
        let failed = |error: KubeconfigError| ClusterError::Kubeconfig {
            origin: origin.clone(),
            reason: reason(&error),
        };
        let kubeconfig = match file {
            Some(file) => Kubeconfig::read_from(file),
            None => Kubeconfig::read(),
        };
        let options = KubeConfigOptions {
            context: context.map(str::to_owned),
            ..KubeConfigOptions::default()
        };
        let kubeconfig = kubeconfig.map_err(failed)?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(failed)?;
        config.read_timeout = Some(SILENCE);
        let server = config.cluster_url.to_string();
        let client = Client::try_from(config).map_err(|error| ClusterError::Kubeconfig {
            origin,
            reason: error.to_string(),
        })?;
        Ok(Self::new(client, &server))
    }

    /// The cluster of a client that is there. `server` is its address, for errors.
    pub fn new(client: Client, server: &str) -> Self {
        Self {
            client,
            server: server.trim_end_matches('/').to_owned(),
        }
    }

    /// For what stands not here.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The address of the API server, for people.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Says what was done when the API server refused, or could not be reached.
    pub(super) fn failed(&self, what: &str, error: kube::Error) -> ClusterError {
        ClusterError::of(&self.server, what, error)
    }
}

fn reason(error: &KubeconfigError) -> String {
    match error {
        // The parser shows the lines around, where keys and tokens stand.
        KubeconfigError::Parse(_) => "it is not the YAML of a kubeconfig".to_owned(),
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        KubeconfigError::LoadContext(name) => format!("it has no context `{name}`"),
        error => error.to_string(),
    }
}
