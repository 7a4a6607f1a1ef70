//! How long a plan takes, and a deployment: `cargo bench -p fleet-operator --bench servers`.
//!
//! The peer of a deployment is its slowest server: the simulator takes ten seconds for each, and nothing can be faster.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::time::Duration;

use fleet_api::Manifest;
use fleet_hetzner::Client;
use fleet_operator::servers::{
    Catalogue, Execution, Found, Plan, Progress, Role, Setup, Situation, Wanted, plan,
};
use fleet_sim::hetzner::{Api, Options, Pace, TOKEN};
use jiff::Timestamp;
use tokio::time::Instant;

type Failure = Box<dyn std::error::Error>;

const SERVER: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let pace = Pace::default().with("create_server", SERVER);
    let api = Api::start(Options {
        pace,
        ..Options::default()
    })
    .await?;
    let client = Client::builder(TOKEN.into())
        .endpoint(api.endpoint())
        .build()?;
    let fifty = wanted(50)?;

    let begun = Instant::now();
    let found = Found::find(&client, &fifty).await?;
    let catalogue = Catalogue::read(&client, &fifty.image).await?;
    let outcome = Execution {
        client: &client,
        wanted: &fifty,
        found: &found,
        setup: &Setup::Hosts,
        progress: &Progress::unwatched(),
    }
    .run(planned(&fifty, &found, Some(&catalogue))?)
    .await;
    let seconds = begun.elapsed().as_secs_f64();
    if let Some((_, item, error)) = outcome.failed.into_iter().next() {
        return Err(format!("{}: {error}", item.name).into());
    }
    let requests = api.requests().len();

    api.forget_requests();
    let found = Found::find(&client, &fifty).await?;
    let again = planned(&fifty, &found, None)?;
    let converged = api.requests().len();

    let many = wanted(500)?;
    let best = (0..20)
        .map(|_| {
            let begun = Instant::now();
            planned(&many, &found, Some(&catalogue)).map(|_| begun.elapsed())
        })
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .min()
        .unwrap_or_default();

    println!("                                        slowest server     ours   target");
    line(
        "50 servers: time",
        "s",
        Some(SERVER.as_secs_f64()),
        seconds,
        15.0,
    );
    line("50 servers: requests", "", None, number(requests), 120.0);
    line(
        "a plan of 50 that are there: requests",
        "",
        None,
        number(converged),
        8.0,
    );
    line(
        "a plan of 500 servers",
        "ms",
        None,
        best.as_secs_f64() * 1000.0,
        50.0,
    );
    if again.is_converged() {
        Ok(())
    } else {
        Err("there is something left to do".into())
    }
}

/// A fleet of this many servers in one location, each as a spec describes it.
fn wanted(servers: usize) -> Result<Wanted, Failure> {
    let spec = "apiVersion: researchfleet.io/v1alpha1\nkind: ResearchCollector\nmetadata: {name: study}\nspec:\n  network: \
                soulseek\n  infrastructure: {hetzner: {placement: any}}\n  regions: [{name: r0, location: ash, \
                credentialsSecretRef: {name: a}}]\n";
    let manifest = Manifest::parse(spec, "bench")?;
    let mut wanted = Wanted::of(&manifest.collector)?.ok_or("no servers")?;
    let region = wanted.servers.pop().ok_or("no region")?;
    for index in wanted.servers.len()..servers {
        let mut server = region.clone();
        server.name = format!("study-r{index}");
        server.role = Role::Region(format!("r{index}"));
        wanted.servers.push(server);
    }
    Ok(wanted)
}

fn planned(wanted: &Wanted, found: &Found, catalogue: Option<&Catalogue>) -> Result<Plan, Failure> {
    let digests = Setup::Hosts.digests(wanted, found)?;
    Ok(plan(Situation {
        wanted,
        found,
        digests: &digests,
        catalogue,
        rebuild_control_plane: false,
        now: Timestamp::now(),
    })?)
}

fn line(what: &str, unit: &str, peer: Option<f64>, ours: f64, at_most: f64) {
    let peer = peer.map_or_else(String::new, |peer| format!("{peer:.1}"));
    let verdict = if ours <= at_most { "met" } else { "MISSED" };
    println!("{what:<38} {unit:<3} {peer:>12} {ours:>8.1}   ≤ {at_most}  {verdict}");
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
