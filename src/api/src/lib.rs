//! The `ResearchCollector` resource: what a researcher writes, what it may say, and how its YAML is
//! read. No I/O.
#![warn(missing_docs)]

mod collector;
mod infrastructure;
mod manifest;
pub mod names;
mod rules;
mod secrets;

pub use self::collector::{
    Canary, Database, Duplicates, ExternalDatabase, Listen, Network, Privacy, Region,
    ResearchCollector, ResearchCollectorSpec, SecretRef, Soulseek, UsernameScheme, crd,
};
pub use self::infrastructure::{ControlPlane, Hetzner, Infrastructure, Placement, PrivateNetwork};
pub use self::manifest::{Credentials, Manifest, ManifestError, SecretError};
pub use self::rules::{Violation, validate};
