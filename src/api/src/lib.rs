//! The `ResearchCollector` resource: what a researcher writes, what it may say, and how its YAML is
//! read. No I/O.
#![warn(missing_docs)]

mod archive;
mod collector;
pub mod conditions;
mod database;
mod infrastructure;
mod manifest;
pub mod names;
mod policy;
mod resources;
mod rules;
mod secrets;
mod status;

pub use self::archive::{Archive, ArchiveDestination, ArchiveFormat, Bucket, Reports};
pub use self::collector::{
    Canary, Duplicates, Listen, Network, Privacy, Region, ResearchCollector, ResearchCollectorSpec,
    SecretRef, Soulseek, UsernameScheme, crd,
};
pub use self::database::{Backup, Database, ExternalDatabase, ManagedDatabase, Pooler};
pub use self::infrastructure::{ControlPlane, Hetzner, Infrastructure, Placement, PrivateNetwork};
pub use self::manifest::{Credentials, Manifest, ManifestError, SecretError};
pub use self::policy::{DeletionPolicy, Rollout, ServerUpdate, UpdatePolicy};
pub use self::resources::{Amounts, Resources, Volume, quantity};
pub use self::rules::{Violation, validate};
pub use self::status::{RegionPhase, RegionStatus, ResearchCollectorStatus, ServerStatus};
