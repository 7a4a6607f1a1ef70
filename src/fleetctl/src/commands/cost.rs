//! `fleetctl cost`: what a fleet costs a month as it is now.

use serde_json::Value;

use crate::cli::Output;
use crate::cli::cloud::Status;
use crate::cloud::{Cloud, table};
use crate::failure::Failure;
use crate::printer;

const COLUMNS: [&str; 6] = ["kind", "name", "location", "type", "monthly", "currency"];

pub(crate) async fn run(arguments: Status) -> Result<(), Failure> {
    let cloud = Cloud::open(&arguments.fleet)?;
    let found = cloud.find().await?;
    let currency = found.pricing.currency.clone();
    let items = found.items_with_a_price();
    let total: fleet_hetzner::Money = items.iter().filter_map(|item| item.monthly).sum();
    let mut rows: Vec<Vec<Value>> = items
        .into_iter()
        .map(|item| {
            vec![
                table::kind(item.kind).into(),
                item.name.into(),
                item.location.into(),
                item.server_type.into(),
                item.monthly.map(|price| price.to_string()).into(),
                currency.clone().into(),
            ]
        })
        .collect();
    rows.push(vec![
        "total".into(),
        cloud.wanted.fleet.clone().into(),
        Value::Null,
        Value::Null,
        total.to_string().into(),
        currency.into(),
    ]);
    printer::objects(arguments.output, &COLUMNS, &rows)?;
    if arguments.output == Output::Table {
        printer::note("net, at today's list prices; traffic beyond what is included comes on top");
    }
    Ok(())
}
