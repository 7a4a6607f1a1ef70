//! What is kept on this machine for a fleet: the keys of its hosts and its kubeconfig. All of it can be had again.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use anyhow::Context;

use crate::failure::Failure;

/// The directory of a fleet: `$XDG_CONFIG_HOME/fleetctl/<fleet>`, by default below `~/.config`.
#[derive(Debug, Clone)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// Makes it, for the user's eyes only.
    pub(crate) fn of(fleet: &str) -> Result<Self, Failure> {
        let set = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let config =
            set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
        let Some(config) = config else {
            return Err(Failure::with_hint(
                anyhow::anyhow!("there is no place for the fleet's keys and kubeconfig"),
                "set HOME or XDG_CONFIG_HOME",
            ));
        };
        let dir = config.join("fleetctl").join(fleet);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(Self(dir))
    }

    /// Keys of hosts, as OpenSSH writes them.
    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.0.join("known_hosts")
    }

    /// Access to the cluster.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.0.join("kubeconfig")
    }

    /// The fleet is gone.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}
