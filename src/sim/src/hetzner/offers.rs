//! What the catalogue says, as the API says it: locations, server types, prices.

use serde_json::{Value, json};

use super::catalog::{Money, Price, amount};
use super::errors::ApiError;
use super::list;
use super::route::{Answer, Call, Reply, Route, get};
use super::servers::{view_of_location, view_type};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        get("/locations", locations),
        get("/locations/{id}", location),
        get("/server_types", server_types),
        get("/server_types/{id}", server_type),
        get("/pricing", pricing),
        get("/datacenters", gone),
        get("/datacenters/{id}", gone),
    ]
}

fn locations(call: &mut Call<'_>) -> Answer {
    let mut found: Vec<_> = call.project.catalog.locations.iter().collect();
    for (field, descending) in list::orders(call, &["id", "name"])?.iter().rev() {
        found.sort_by(|a, b| {
            let order = if field == "name" {
                a.name.cmp(&b.name)
            } else {
                a.id.cmp(&b.id)
            };
            if *descending { order.reverse() } else { order }
        });
    }
    list::values(
        call,
        "locations",
        found.into_iter().map(view_of_location).collect(),
    )
}

fn location(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let found = call
        .project
        .catalog
        .locations
        .iter()
        .find(|location| location.id == id);
    let found = found.ok_or_else(|| ApiError::not_found("location", id))?;
    Ok(Reply::ok(json!({"location": view_of_location(found)})))
}

fn server_types(call: &mut Call<'_>) -> Answer {
    let types = call.project.catalog.server_types.iter();
    let types = types.map(|known| view_type(known, call.project)).collect();
    list::values(call, "server_types", types)
}

fn server_type(call: &mut Call<'_>) -> Answer {
    let id = call.id();
    let found = call.project.catalog.server_type(id);
    let found = found.ok_or_else(|| ApiError::not_found("server_type", id))?;
    Ok(Reply::ok(
        json!({"server_type": view_type(found, call.project)}),
    ))
}

#[expect(clippy::unnecessary_wraps, reason = "as all that answer")]
fn pricing(call: &mut Call<'_>) -> Answer {
    let catalog = &call.project.catalog;
    let free = Price {
        hourly: Money::default(),
        monthly: Money::default(),
    };
    let in_all = |price: Price| -> Vec<Value> {
        catalog
            .locations
            .iter()
            .map(|location| price.view(&location.name))
            .collect()
    };
    let monthly_in_all = |monthly: Money| -> Vec<Value> {
        let names = catalog.locations.iter().map(|location| &location.name);
        names
            .map(|name| json!({"location": name, "price_monthly": amount(monthly)}))
            .collect()
    };
    let types = catalog
        .server_types
        .iter()
        .map(|known| json!({"id": known.id, "name": known.name, "prices": known.prices(catalog)}));
    Ok(Reply::ok(json!({"pricing": {
        "currency": catalog.currency,
        "vat_rate": catalog.vat_rate,
        "primary_ips": [
            {"type": "ipv4", "prices": in_all(catalog.primary_ipv4)},
            {"type": "ipv6", "prices": in_all(free)},
        ],
        "floating_ip": {"price_monthly": amount(catalog.floating_ipv4_monthly)},
        "floating_ips": [
            {"type": "ipv4", "prices": monthly_in_all(catalog.floating_ipv4_monthly)},
            {"type": "ipv6", "prices": monthly_in_all(Money::default())},
        ],
        "image": {"price_per_gb_month": amount(catalog.image_gb_month)},
        "volume": {"price_per_gb_month": amount(catalog.volume_gb_month)},
        "server_backup": {"percentage": catalog.server_backup_percentage},
        "server_types": types.collect::<Vec<_>>(),
        "load_balancer_types": [],
    }})))
}

/// Since 2026-10-01.
fn gone(_call: &mut Call<'_>) -> Answer {
    let message = "datacenters are gone, use locations";
    Err(ApiError::deprecated(
        message,
        "2025-12-16 phasing out datacenters",
    ))
}
