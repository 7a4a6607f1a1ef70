//! How a fleet changes, and what stays when it goes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a fleet changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdatePolicy {
    /// In which order regions get a new image or new settings.
    #[serde(default)]
    pub collectors: Rollout,
    /// Minutes that an updated region has until it records again. After that the rollout stops.
    #[serde(default = "default_deadline")]
    #[schemars(range(min = 1, max = 1440))]
    pub deadline_minutes: i32,
    /// What becomes of a region's server whose instructions for the first boot have changed.
    #[serde(default)]
    pub servers: ServerUpdate,
    /// Minutes after which a region's server whose node is not ready is deleted and made again; 0 never does.
    #[serde(default = "default_replace")]
    #[schemars(range(min = 0, max = 1440))]
    pub replace_not_ready_minutes: i32,
}

fn default_deadline() -> i32 {
    15
}

fn default_replace() -> i32 {
    15
}

impl Default for UpdatePolicy {
    fn default() -> Self {
        Self {
            collectors: Rollout::default(),
            deadline_minutes: default_deadline(),
            servers: ServerUpdate::default(),
            replace_not_ready_minutes: default_replace(),
        }
    }
}

/// In which order regions are updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Rollout {
    /// One after the other; the next only when the one before records again.
    #[default]
    OneRegionAtATime,
    /// All at once.
    AllAtOnce,
}

/// What becomes of a server whose instructions have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum ServerUpdate {
    /// It is written anew, one server at a time. Its name and addresses stay.
    #[default]
    Rebuild,
    /// It stays as it is until it is replaced.
    Keep,
}

/// What becomes of a fleet's data when the fleet is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Volumes with records, archives and the database stay, and what is needed to read them.
    #[default]
    Retain,
    /// Everything goes.
    Delete,
}
