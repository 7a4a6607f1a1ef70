//! Why a change was not made.

use fleet_hetzner::{ActionError, Error};

use super::setup::SetupError;

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The API refused it, or did not answer.
    #[error(transparent)]
    Api(#[from] Error),
    /// The API began it, and it failed.
    #[error(transparent)]
    Action(#[from] ActionError),
    /// None of the types can be had in any of the locations.
    #[error("none of the {tried} types and locations can be had, last tried: {last}")]
    SoldOut {
        /// How many were tried.
        tried: usize,
        /// What the API said of the last one.
        last: String,
    },
    /// The server cannot be told what to do.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Something that it needs was not made.
    #[error("it needs the {kind} {name}, which could not be made")]
    Needs {
        /// What.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// What should be deleted is protected.
    #[error("it is protected against deletion")]
    Protected,
}

impl StepError {
    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Api(error) => error.hint(),
            Self::Action(_) => Some("run the same command again; it carries on where it was".to_owned()),
            Self::SoldOut { .. } => Some(
                "name more serverTypes or another location; stock changes within hours, so the same command may work \
                 later"
                    .to_owned(),
            ),
            Self::Setup(_) | Self::Needs { .. } => None,
            Self::Protected => {
                Some("take the protection away in the console, then run the same command again".to_owned())
            }
        }
    }
}
