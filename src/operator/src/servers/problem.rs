//! What is in the way of a plan.

/// What is in the way of a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A server cannot be had.
    #[error("no server can be had for {server}: {refusals}")]
    NoOffer {
        /// The server.
        server: String,
        /// Each type in each location, with the reason.
        refusals: String,
    },
    /// The volume would have to shrink.
    #[error("the volume {name} has {have} GB, the spec wants {want}: volumes only grow")]
    VolumeShrinks {
        /// The volume.
        name: String,
        /// Its size in GB.
        have: u64,
        /// The spec's, in GB.
        want: u64,
    },
    /// A key is named that is not there.
    #[error("the project has no SSH key `{name}`")]
    NoSshKey {
        /// The key.
        name: String,
    },
    /// The control plane would have to be made anew. A plan has it as a warning, since it holds up nothing else.
    #[error("{server} is kept as it is, though {why}")]
    ControlPlaneHeld {
        /// The server.
        server: String,
        /// Why.
        why: String,
    },
    /// A type does not fit an existing server.
    #[error("{server} cannot become {wanted}: {why}")]
    NoRescale {
        /// The server.
        server: String,
        /// The types that were tried.
        wanted: String,
        /// Why.
        why: String,
    },
}

impl Problem {
    /// What a person does about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoOffer { .. } => {
                "name more types in serverTypes or another location; stock changes within hours, so the same command \
                 may work later"
            }
            Self::VolumeShrinks { .. } => "write its present size, or leave volumeGb out",
            Self::NoSshKey { .. } => "write a name that the project has, or the public key itself",
            Self::ControlPlaneHeld { .. } => {
                "its disk holds the state of the cluster and the database, so it is made anew only with \
                 --rebuild-control-plane; a volume (controlPlane.volumeGb) keeps both"
            }
            Self::NoRescale { .. } => {
                "name a type of the same architecture with a disk as large, or larger"
            }
        }
    }
}
