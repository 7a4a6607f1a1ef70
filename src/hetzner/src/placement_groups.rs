//! Placement groups (section "Placement Groups" of the reference).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::{Create, Managed, NameFilter, Resource};
use crate::decode::nullable;
use crate::labels::Labels;
use crate::open::open_enum;

open_enum! {
    /// How servers are placed.
    pub enum PlacementGroupType {
        /// Each on another host; up to ten.
        Spread = "spread",
    }
}

/// A group of servers that are placed with regard to each other.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct PlacementGroup {
    /// Its identifier.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its labels.
    #[serde(default, deserialize_with = "nullable")]
    pub labels: Labels,
    /// How servers are placed.
    #[serde(rename = "type", default)]
    pub kind: PlacementGroupType,
    /// When it was made.
    pub created: Timestamp,
    /// The servers in it.
    #[serde(default, deserialize_with = "nullable")]
    pub servers: Vec<i64>,
}

/// What a placement group is made from.
#[derive(Debug, Clone, Serialize)]
pub struct CreatePlacementGroup {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// How servers are placed.
    #[serde(rename = "type")]
    pub kind: PlacementGroupType,
}

impl Default for CreatePlacementGroup {
    fn default() -> Self {
        Self {
            name: String::new(),
            labels: Labels::new(),
            kind: PlacementGroupType::Spread,
        }
    }
}

impl Create for CreatePlacementGroup {
    fn name(&self) -> &str {
        &self.name
    }

    fn labels(&self) -> &Labels {
        &self.labels
    }
}

impl Resource for PlacementGroup {
    const PATH: &'static str = "placement_groups";
    const KEY: &'static str = "placement_group";
    type Filter = NameFilter;

    fn id(&self) -> i64 {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Managed for PlacementGroup {
    type Create = CreatePlacementGroup;
    const KIND: &'static str = "placement group";
    const HAS_ACTIONS: bool = false;

    fn labels(&self) -> &Labels {
        &self.labels
    }
}
