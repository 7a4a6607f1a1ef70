//! Server types, where they can be had, and what they cost (section "Server Types" of the reference).

use jiff::Timestamp;
use serde::Deserialize;

use crate::api::{NameFilter, readable};
use crate::decode::{nullable, whole};
use crate::open::open_enum;
use crate::pricing::ServerPrice;

open_enum! {
    /// A processor architecture. Images are made for one.
    pub enum Architecture {
        /// Intel and AMD.
        X86 = "x86",
        /// Ampere.
        Arm = "arm",
    }
}

open_enum! {
    /// Whether processors are shared with others.
    pub enum CpuType {
        /// With others.
        Shared = "shared",
        /// With nobody.
        Dedicated = "dedicated",
    }
}

/// A size of server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct ServerType {
    /// Its identifier.
    pub id: i64,
    /// Its name, for example `cx33`.
    pub name: String,
    /// For people.
    #[serde(default, deserialize_with = "nullable")]
    pub description: String,
    /// Its group, for people.
    #[serde(default)]
    pub category: Option<String>,
    /// Processors.
    #[serde(default, deserialize_with = "whole")]
    pub cores: u64,
    /// In GB.
    #[serde(default)]
    pub memory: f64,
    /// In GB.
    #[serde(default, deserialize_with = "whole")]
    pub disk: u64,
    /// Whether processors are shared.
    #[serde(default)]
    pub cpu_type: CpuType,
    /// Which images fit.
    #[serde(default)]
    pub architecture: Architecture,
    /// What it costs, by location.
    #[serde(default, deserialize_with = "nullable")]
    pub prices: Vec<ServerPrice>,
    /// Whether it can be had, by location.
    #[serde(default, deserialize_with = "nullable")]
    pub locations: Vec<ServerTypeLocation>,
    /// When it ends everywhere; the API fades this out in favour of `locations`.
    #[serde(default)]
    pub deprecation: Option<Deprecation>,
}

impl ServerType {
    /// What it costs there, if it is offered there.
    pub fn price(&self, location: &str) -> Option<&ServerPrice> {
        self.prices.iter().find(|price| price.location == location)
    }

    /// Whether one can be ordered there at the moment, as far as the API knows. A price does not say it.
    pub fn is_available(&self, location: &str) -> bool {
        self.locations
            .iter()
            .any(|there| there.name == location && there.available)
    }
}

/// A server type in a location.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ServerTypeLocation {
    /// The location's identifier.
    #[serde(default)]
    pub id: i64,
    /// The location's name.
    pub name: String,
    /// When it ends there.
    #[serde(default)]
    pub deprecation: Option<Deprecation>,
    /// Whether Hetzner would choose it.
    #[serde(default)]
    pub recommended: bool,
    /// Whether it can be ordered; an indicator, not a promise.
    #[serde(default)]
    pub available: bool,
}

/// The end of something.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Deprecation {
    /// When it was told.
    pub announced: Timestamp,
    /// From when on it cannot be ordered.
    pub unavailable_after: Timestamp,
}

readable!(ServerType, path: "server_types", key: "server_type", filter: NameFilter);
