//! Prices (section "Pricing" of the reference): decimal texts, read when somebody calculates with them.

use serde::Deserialize;

use crate::decode::nullable;
use crate::money::{Money, MoneyError};
use crate::primary_ips::IpType;

/// An amount without and with value added tax, in the currency of the project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Price {
    /// Without tax, as the API writes it.
    pub net: String,
    /// With tax, as the API writes it.
    pub gross: String,
}

impl Price {
    /// Without tax.
    pub fn net(&self) -> Result<Money, MoneyError> {
        self.net.parse()
    }

    /// With tax.
    pub fn gross(&self) -> Result<Money, MoneyError> {
        self.gross.parse()
    }
}

/// What a server type costs in a location.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ServerPrice {
    /// The location's name.
    pub location: String,
    /// A started hour, up to the price of a month.
    pub price_hourly: Price,
    /// A month.
    pub price_monthly: Price,
    /// Traffic a month that costs nothing, in bytes.
    #[serde(default)]
    pub included_traffic: u64,
    /// A terabyte beyond it.
    #[serde(default)]
    pub price_per_tb_traffic: Option<Price>,
}

/// All prices.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Pricing {
    /// The currency of the project, for example `EUR`.
    pub currency: String,
    /// Value added tax in percent, as a decimal text.
    #[serde(default, deserialize_with = "nullable")]
    pub vat_rate: String,
    /// Server types.
    #[serde(default, deserialize_with = "nullable")]
    pub server_types: Vec<ServerTypePrices>,
    /// Primary IPs.
    #[serde(default, deserialize_with = "nullable")]
    pub primary_ips: Vec<PrimaryIpPrices>,
    /// Snapshots.
    #[serde(default)]
    pub image: Option<PricePerGb>,
    /// Volumes.
    #[serde(default)]
    pub volume: Option<PricePerGb>,
}

impl Pricing {
    /// A primary IP of this family in a location, if there is a price.
    pub fn primary_ip(&self, kind: &IpType, location: &str) -> Option<&PrimaryIpPrice> {
        let of_kind = self
            .primary_ips
            .iter()
            .find(|prices| prices.kind == *kind)?;
        of_kind
            .prices
            .iter()
            .find(|price| price.location == location)
    }
}

/// What a server type costs, by location.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ServerTypePrices {
    /// The type's identifier.
    pub id: i64,
    /// The type's name.
    pub name: String,
    /// By location.
    #[serde(default, deserialize_with = "nullable")]
    pub prices: Vec<ServerPrice>,
}

/// What primary IPs of a family cost, by location.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct PrimaryIpPrices {
    /// The family.
    #[serde(rename = "type")]
    pub kind: IpType,
    /// By location.
    #[serde(default, deserialize_with = "nullable")]
    pub prices: Vec<PrimaryIpPrice>,
}

/// What a primary IP costs in a location.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct PrimaryIpPrice {
    /// The location's name.
    pub location: String,
    /// A started hour.
    pub price_hourly: Price,
    /// A month.
    pub price_monthly: Price,
}

/// What storage costs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct PricePerGb {
    /// A gigabyte for a month.
    pub price_per_gb_month: Price,
}
