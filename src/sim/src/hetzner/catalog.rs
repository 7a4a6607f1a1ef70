//! What can be ordered where, and at what price: the part of the API that nobody's request changes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

pub use super::money::Money;

/// Locations, server types, system images and prices. The default is what one account saw on 2026-09-29.
#[derive(Debug, Clone, Deserialize)]
pub struct Catalog {
    /// The day on which somebody looked.
    pub observed: String,
    /// Of all prices, for example `EUR`.
    pub currency: String,
    /// Value added tax in percent, as a decimal string. Gross prices are computed with nothing else.
    pub vat_rate: String,
    /// Beyond what is included, by location; the others have the price named `default`.
    pub price_per_tb_traffic: BTreeMap<String, Money>,
    /// Of one IPv4 address.
    pub primary_ipv4: Price,
    /// Of one floating IPv4 address.
    pub floating_ipv4_monthly: Money,
    /// Of snapshots and backups.
    pub image_gb_month: Money,
    /// Of volumes.
    pub volume_gb_month: Money,
    /// What backups cost in percent of the server, as a decimal string.
    pub server_backup_percentage: String,
    /// Where servers stand.
    pub locations: Vec<Location>,
    /// What can be ordered, or could once.
    pub server_types: Vec<ServerType>,
    /// Operating systems.
    pub images: Vec<SystemImage>,
}

/// Per started hour, and what a month costs at most.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Price {
    /// For each hour that was started.
    pub hourly: Money,
    /// The hours of a month do not cost more.
    pub monthly: Money,
}

/// A place with servers.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the API's own names")]
pub struct Location {
    pub id: i64,
    pub name: String,
    pub description: String,
    pub country: String,
    pub city: String,
    pub latitude: f64,
    pub longitude: f64,
    pub network_zone: String,
}

/// A size of server.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the API's own names")]
pub struct ServerType {
    pub id: i64,
    pub name: String,
    pub cores: u32,
    /// In GB.
    pub memory: f64,
    /// In GB.
    pub disk: u32,
    pub category: String,
    pub cpu_type: String,
    pub architecture: String,
    pub storage_type: String,
    /// Offers by the name of the location.
    pub locations: BTreeMap<String, Offer>,
}

/// A server type in one location.
#[derive(Debug, Clone, Deserialize)]
pub struct Offer {
    /// What it costs there.
    #[serde(flatten)]
    pub price: Price,
    /// Bytes a month that cost nothing.
    pub included_traffic: u64,
    /// Whether it can be ordered now.
    pub available: bool,
    /// Whether it is on its way out.
    pub deprecation: Option<Deprecation>,
}

/// The end of an offer.
#[derive(Debug, Clone, Copy, Deserialize)]
#[expect(missing_docs, reason = "the API's own names")]
pub struct Deprecation {
    pub announced: Timestamp,
    pub unavailable_after: Timestamp,
}

/// An operating system for one architecture.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the API's own names")]
pub struct SystemImage {
    pub id: i64,
    pub name: String,
    pub description: String,
    pub os_flavor: String,
    pub os_version: String,
    pub architecture: String,
    /// In GB.
    pub disk_size: u32,
    pub rapid_deploy: bool,
    pub created: Timestamp,
}

impl Default for Catalog {
    fn default() -> Self {
        serde_json::from_str(include_str!("catalog-2026-09-29.json"))
            .expect("a test reads the embedded catalogue")
    }
}

impl Catalog {
    /// Makes a type orderable in a location, or not; nothing changes where it is not offered.
    pub fn set_available(&mut self, server_type: &str, location: &str, available: bool) {
        let found = self
            .server_types
            .iter_mut()
            .find(|known| known.name == server_type);
        if let Some(offer) = found.and_then(|known| known.locations.get_mut(location)) {
            offer.available = available;
        }
    }

    pub(crate) fn location(&self, name: &str) -> Option<&Location> {
        self.locations.iter().find(|location| location.name == name)
    }

    pub(crate) fn server_type(&self, id: i64) -> Option<&ServerType> {
        self.server_types.iter().find(|known| known.id == id)
    }

    pub(crate) fn traffic_price(&self, location: &str) -> Money {
        let prices = &self.price_per_tb_traffic;
        let price = prices.get(location).or_else(|| prices.get("default"));
        price.copied().unwrap_or_default()
    }
}

impl Price {
    pub(crate) fn view(&self, location: &str) -> Value {
        json!({
            "location": location,
            "price_hourly": amount(self.hourly),
            "price_monthly": amount(self.monthly),
        })
    }
}

/// Net and gross. The catalogue has net prices and no tax.
pub(crate) fn amount(net: Money) -> Value {
    json!({"net": net, "gross": net})
}

impl ServerType {
    /// Prices as the server type and the price list show them.
    pub(crate) fn prices(&self, catalog: &Catalog) -> Vec<Value> {
        let offers = self.locations.iter().map(|(location, offer)| {
            let mut price = offer.price.view(location);
            price["included_traffic"] = offer.included_traffic.into();
            price["price_per_tb_traffic"] = amount(catalog.traffic_price(location));
            price
        });
        offers.collect()
    }
}

impl Deprecation {
    pub(crate) fn view(&self) -> Value {
        json!({"announced": self.announced, "unavailable_after": self.unavailable_after})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_catalogue_is_whole() {
        let catalog = Catalog::default();
        assert_eq!(catalog.locations.len(), 6);
        assert_eq!(catalog.images.len(), 8);
        for server_type in &catalog.server_types {
            for location in server_type.locations.keys() {
                assert!(catalog.location(location).is_some(), "{location}");
            }
        }
        let cpx11 = catalog.server_type(22).unwrap();
        assert!(cpx11.locations["ash"].available);
        assert!(cpx11.locations["sin"].deprecation.is_some());
    }

    #[test]
    fn availability_can_be_changed() {
        let mut catalog = Catalog::default();
        catalog.set_available("cx33", "nbg1", true);
        let available =
            |location: &str| catalog.server_type(115).unwrap().locations[location].available;
        assert!(available("nbg1") && !available("fsn1"));
    }
}
