//! The official SDKs take every kind of resource of the simulated cloud through its whole life.

use anyhow::Result;
use fleet_sim::hetzner::{Api, Options, TOKEN};
use fleet_tests::hcloud::{READ_TOKEN, Sdk, checks};

/// More than two of the largest pages.
const STRANGERS: usize = 120;

const GO: &[&str] = &[
    "catalogue: a server type has prices and stock by location",
    "catalogue: an image has one ID an architecture",
    "catalogue: locations and prices",
    "ssh keys: made, found, changed, deleted",
    "servers: made from keys, names and labels",
    "servers: found by name, by selector and by status",
    "servers: renamed and labelled",
    "servers: power",
    "servers: actions of one and of all",
    "servers: strangers fill many pages",
    "servers: deleted",
    "changes: another image keeps the address",
    "changes: another type",
    "changes: protection",
    "changes: backups, rescue, password, names",
    "changes: a failed action is an error of the waiter",
    "changes: the end",
    "primary ips: made, found, changed",
    "primary ips: kept when its server goes",
    "primary ips: named, protected, deleted",
    "primary ips: a network of IPv6",
    "floating ips: made, moved, deleted",
    "firewalls: made, found, changed",
    "firewalls: applied to a server",
    "firewalls: applied by label",
    "firewalls: deleted",
    "networks: made, found, changed",
    "networks: subnets, routes, range, protection",
    "networks: servers in and out",
    "networks: deleted",
    "volumes: made, moved, grown, deleted",
    "placement groups: made, filled, deleted",
    "images: a snapshot makes a server",
    "refusals: uniqueness_error",
    "refusals: invalid_input names the field",
    "refusals: locked",
    "refusals: resource_unavailable",
    "refusals: placement_error",
    "refusals: resource_limit_exceeded",
    "refusals: not_found",
    "refusals: unauthorized",
    "refusals: forbidden",
    "refusals: deprecated_api_endpoint",
    "refusals: the rate limit is waited out, or not",
    "refusals: a gateway's errors are retried, an unavailable API is not",
    "refusals: a lost answer is an error, and the server is there",
];

const PYTHON: &[&str] = &[
    "catalogue: types, images, locations, prices",
    "ssh keys: made, found, changed, deleted",
    "servers: made, found, changed",
    "servers: power",
    "servers: strangers fill many pages",
    "servers: another type, another image",
    "servers: backups, rescue, password, names, protection",
    "servers: a failed action is an exception of the waiter",
    "servers: a snapshot makes a server",
    "servers: deleted",
    "primary ips: kept when the server goes",
    "primary ips: changed, protected, deleted",
    "floating ips: made, moved, deleted",
    "networks: made, changed, deleted",
    "firewalls: made, applied by server and by label, deleted",
    "volumes: made, moved, grown, deleted",
    "placement groups: made, filled, deleted",
    "refusals: uniqueness_error, invalid_input, locked",
    "refusals: resource_unavailable, placement_error, resource_limit_exceeded",
    "refusals: not_found, unauthorized, forbidden",
    "refusals: the rate limit is waited out, or not",
    "refusals: a lost answer, and the server is there",
];

#[tokio::test(flavor = "multi_thread")]
async fn hcloud_go_finds_the_cloud_it_knows() -> Result<()> {
    all_hold(Sdk::Go, GO).await
}

#[tokio::test(flavor = "multi_thread")]
async fn hcloud_python_finds_the_cloud_it_knows() -> Result<()> {
    all_hold(Sdk::Python, PYTHON).await
}

async fn all_hold(sdk: Sdk, names: &[&str]) -> Result<()> {
    let api = Api::start(Options {
        read_token: Some(READ_TOKEN.to_owned()),
        ..Options::default()
    })
    .await?;
    for number in 0..STRANGERS {
        api.seed_server(&format!("stranger-{number}"), &[("stranger", "yes")]);
    }
    let before = api.bill().running.len();
    let found = checks(sdk, &api, TOKEN).await?;
    let wanted: Vec<_> = names.iter().map(|name| format!("ok {name}")).collect();
    assert_eq!(found.lines().collect::<Vec<_>>(), wanted);
    let bill = api.bill();
    assert_eq!(bill.running.len(), before, "{:?}", bill.running);
    Ok(())
}
