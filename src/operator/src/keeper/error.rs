//! What keeps a tick from being finished.

use std::error::Error;

use crate::cluster::ClusterError;

/// What keeps a tick from being finished. It may be tried again a little later.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeeperError {
    /// The cluster cannot be asked.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The provider does not do what is needed.
    #[error("Hetzner Cloud does not take the fleet's servers away")]
    Provider(#[from] fleet_hetzner::Error),
    /// The fleet's name cannot be a label.
    #[error(transparent)]
    Name(#[from] fleet_hetzner::LabelError),
    /// Something could not be deleted.
    #[error("not all of the fleet's servers can be taken away: {reasons}")]
    Remains {
        /// What, and why.
        reasons: String,
    },
}

/// An error with all that is behind it, for people.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let cause = source.to_string();
        // Some errors say what is behind them themselves.
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        next = source.source();
    }
    text
}
