//! `fleetctl status`: the servers of a fleet, as the API sees them now.

use fleet_api::names::{REGION_LABEL, ROLE_LABEL};
use serde_json::Value;

use crate::cli::cloud::Status;
use crate::cloud::Cloud;
use crate::failure::Failure;
use crate::printer;

const COLUMNS: [&str; 7] = [
    "name", "runs", "location", "type", "status", "address", "created",
];

pub(crate) async fn run(arguments: Status) -> Result<(), Failure> {
    let cloud = Cloud::open(&arguments.fleet)?;
    let found = cloud.find().await?;
    let mut rows = Vec::new();
    for wanted in &cloud.wanted.servers {
        if !found
            .servers
            .iter()
            .any(|server| server.name == wanted.name)
        {
            let missing = [wanted.name.as_str(), "", "", "", "missing"];
            let mut row: Vec<Value> = missing.into_iter().map(Value::from).collect();
            row.resize(COLUMNS.len(), Value::Null);
            rows.push(row);
        }
    }
    for server in &found.servers {
        let label = |key: &str| server.labels.get(key).cloned();
        let runs = label(REGION_LABEL).or_else(|| label(ROLE_LABEL));
        rows.push(vec![
            server.name.clone().into(),
            runs.into(),
            server.location.name.clone().into(),
            server.server_type.name.clone().into(),
            server.status.to_string().into(),
            server.ipv4().map(|address| address.to_string()).into(),
            server.created.strftime("%Y-%m-%d %H:%M").to_string().into(),
        ]);
    }
    Ok(printer::objects(arguments.output, &COLUMNS, &rows)?)
}
