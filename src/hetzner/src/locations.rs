//! Locations (section "Locations" of the reference).

use serde::Deserialize;

use crate::api::{NameFilter, readable};
use crate::decode::nullable;

/// A place where servers are.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Location {
    /// Its identifier.
    pub id: i64,
    /// Its name, for example `nbg1`.
    pub name: String,
    /// For people.
    #[serde(default, deserialize_with = "nullable")]
    pub description: String,
    /// Two letters.
    #[serde(default, deserialize_with = "nullable")]
    pub country: String,
    /// The nearest city.
    #[serde(default, deserialize_with = "nullable")]
    pub city: String,
    /// In degrees.
    #[serde(default)]
    pub latitude: f64,
    /// In degrees.
    #[serde(default)]
    pub longitude: f64,
    /// Private networks reach as far as this, for example `eu-central`.
    #[serde(default, deserialize_with = "nullable")]
    pub network_zone: String,
}

readable!(Location, path: "locations", key: "location", filter: NameFilter);
