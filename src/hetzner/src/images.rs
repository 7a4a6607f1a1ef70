//! Images (section "Images" of the reference).

use jiff::Timestamp;
use serde::Deserialize;

use crate::api::{Filter, Resource, name_and_labels};
use crate::decode::nullable;
use crate::labels::{LabelSelector, Labels};
use crate::open::open_enum;
use crate::server_types::{Architecture, Deprecation};

open_enum! {
    /// Where an image comes from.
    pub enum ImageType {
        /// Hetzner, an operating system.
        System = "system",
        /// Hetzner, an application.
        App = "app",
        /// Somebody in the project.
        Snapshot = "snapshot",
        /// Made regularly, bound to a server.
        Backup = "backup",
    }
}

open_enum! {
    /// Whether an image is there.
    pub enum ImageStatus {
        /// It can be used.
        Available = "available",
        /// It is being made.
        Creating = "creating",
        /// It cannot be used.
        Unavailable = "unavailable",
    }
}

/// What a disk is made from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Image {
    /// Its identifier; another one for each architecture.
    pub id: i64,
    /// Where it comes from.
    #[serde(rename = "type", default)]
    pub kind: ImageType,
    /// Whether it is there.
    #[serde(default)]
    pub status: ImageStatus,
    /// Its name, for example `debian-13`; snapshots have none.
    #[serde(default)]
    pub name: Option<String>,
    /// For people.
    #[serde(default, deserialize_with = "nullable")]
    pub description: String,
    /// How much is stored, in GB.
    #[serde(default)]
    pub image_size: Option<f64>,
    /// The smallest disk that it fits on, in GB.
    #[serde(default)]
    pub disk_size: f64,
    /// When it was made.
    #[serde(default)]
    pub created: Option<Timestamp>,
    /// The operating system, for example `debian`.
    #[serde(default, deserialize_with = "nullable")]
    pub os_flavor: String,
    /// Its version.
    #[serde(default)]
    pub os_version: Option<String>,
    /// Whether servers are made from it within seconds.
    #[serde(default)]
    pub rapid_deploy: bool,
    /// Which server types it fits.
    #[serde(default)]
    pub architecture: Architecture,
    /// When it ends.
    #[serde(default)]
    pub deprecation: Option<Deprecation>,
    /// When it was deleted; servers made from it still show it.
    #[serde(default)]
    pub deleted: Option<Timestamp>,
    /// Its labels.
    #[serde(default, deserialize_with = "nullable")]
    pub labels: Labels,
}

/// What images are filtered by. A name stands for one image of each architecture.
#[derive(Debug, Clone, Default)]
pub struct ImageFilter {
    /// The whole name.
    pub name: Option<String>,
    /// For these server types; any, if there is none.
    pub architecture: Option<Architecture>,
    /// From there; from anywhere, if there is none.
    pub kind: Option<ImageType>,
    /// Requirements on labels.
    pub label_selector: Option<LabelSelector>,
    /// Also those that will end.
    pub include_deprecated: bool,
}

impl Filter for ImageFilter {
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = name_and_labels(self.name.as_ref(), self.label_selector.as_ref());
        parameters.extend(
            self.architecture
                .as_ref()
                .map(|text| ("architecture", text.to_string())),
        );
        parameters.extend(self.kind.as_ref().map(|text| ("type", text.to_string())));
        parameters.extend(
            self.include_deprecated
                .then(|| ("include_deprecated", "true".to_owned())),
        );
        parameters
    }
}

impl Resource for Image {
    const PATH: &'static str = "images";
    const KEY: &'static str = "image";
    type Filter = ImageFilter;

    fn id(&self) -> i64 {
        self.id
    }

    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}
