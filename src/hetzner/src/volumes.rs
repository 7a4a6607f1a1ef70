//! Volumes (section "Volumes" and "Volume Actions" of the reference).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::actions::Action;
use crate::api::{Api, Filter, managed, name_and_labels, readable};
use crate::decode::{IdOrName, nullable, whole};
use crate::error::Error;
use crate::labels::{LabelSelector, Labels};
use crate::locations::Location;
use crate::open::open_enum;
use crate::protection::{Protection, protect};

open_enum! {
    /// Whether a volume is there yet.
    pub enum VolumeStatus {
        /// It can be used.
        Available = "available",
        /// It is being made.
        Creating = "creating",
    }
}

/// A disk that outlives its server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Volume {
    /// Its identifier.
    pub id: i64,
    /// When it was made.
    pub created: Timestamp,
    /// Its name.
    pub name: String,
    /// The server that it is attached to.
    #[serde(default)]
    pub server: Option<i64>,
    /// Where it is; it cannot move.
    pub location: Location,
    /// In GB.
    #[serde(deserialize_with = "whole")]
    pub size: u64,
    /// The device on the server.
    #[serde(default, deserialize_with = "nullable")]
    pub linux_device: String,
    /// What it is protected from.
    #[serde(default, deserialize_with = "nullable")]
    pub protection: Protection,
    /// Its labels.
    #[serde(default, deserialize_with = "nullable")]
    pub labels: Labels,
    /// Whether it is there yet.
    #[serde(default)]
    pub status: VolumeStatus,
    /// The file system that it was made with.
    #[serde(default)]
    pub format: Option<String>,
}

/// What volumes are filtered by.
#[derive(Debug, Clone, Default)]
pub struct VolumeFilter {
    /// The whole name.
    pub name: Option<String>,
    /// Requirements on labels.
    pub label_selector: Option<LabelSelector>,
    /// One of these; any, if there is none.
    pub status: Vec<VolumeStatus>,
}

impl Filter for VolumeFilter {
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = name_and_labels(self.name.as_ref(), self.label_selector.as_ref());
        parameters.extend(
            self.status
                .iter()
                .map(|status| ("status", status.to_string())),
        );
        parameters
    }
}

/// What a volume is made from.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CreateVolume {
    /// Its name.
    pub name: String,
    /// In GB, 10 to 10240.
    pub size: u64,
    /// Its labels.
    pub labels: Labels,
    /// Where it is; not together with a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<IdOrName>,
    /// The server that it is attached to, and whose location it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<i64>,
    /// The file system that it is made with: `ext4` or `xfs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Whether the server mounts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount: Option<bool>,
}

readable!(Volume, path: "volumes", key: "volume", filter: VolumeFilter);
managed!(Volume, from: CreateVolume, kind: "volume", has_actions: true);

impl Api<Volume> {
    /// Attaches it to a server in the same location.
    pub async fn attach(&self, id: i64, server: i64, automount: bool) -> Result<Action, Error> {
        let body = serde_json::json!({ "server": server, "automount": automount });
        self.act(Self::action(id, "attach").body(&body)).await
    }

    /// Detaches it from its server.
    pub async fn detach(&self, id: i64) -> Result<Action, Error> {
        self.act(Self::action(id, "detach")).await
    }

    /// Makes it larger, in GB; never smaller. The file system on it does not grow by itself.
    pub async fn resize(&self, id: i64, size: u64) -> Result<Action, Error> {
        let body = serde_json::json!({ "size": size });
        self.act(Self::action(id, "resize").body(&body)).await
    }

    /// Protects it, or no longer does.
    pub async fn change_protection(
        &self,
        id: i64,
        protection: Protection,
    ) -> Result<Action, Error> {
        protect(self, id, protection).await
    }
}
