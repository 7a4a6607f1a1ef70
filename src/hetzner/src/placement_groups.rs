//! Placement groups (section "Placement Groups" of the reference).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::{NameFilter, managed, readable};
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

readable!(PlacementGroup, path: "placement_groups", key: "placement_group", filter: NameFilter);
managed!(PlacementGroup, from: CreatePlacementGroup, kind: "placement group", has_actions: false);
