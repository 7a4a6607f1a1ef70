//! What things cost a month, net, at today's list prices.

use fleet_hetzner::{IpType, Money, Pricing, ServerType};

/// A server of this type, without its address. `None` where it is not sold, or the price cannot be read.
pub fn server(kind: &ServerType, location: &str) -> Option<Money> {
    kind.price(location)?.price_monthly.net().ok()
}

/// An IPv4 address.
pub fn address(pricing: &Pricing, location: &str) -> Money {
    let price = pricing.primary_ip(&IpType::Ipv4, location);
    price
        .and_then(|price| price.price_monthly.net().ok())
        .unwrap_or_default()
}

/// A volume of this size in GB.
pub fn volume(pricing: &Pricing, size: u64) -> Money {
    let price = pricing
        .volume
        .as_ref()
        .and_then(|price| price.price_per_gb_month.net().ok());
    (price.unwrap_or_default() * u32::try_from(size).unwrap_or(u32::MAX)).rounded()
}
