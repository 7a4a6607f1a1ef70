//! `fleetctl doctor`: looks at everything that a deployment needs, and says what is wrong with it.

use std::process::ExitCode;

use fleet_hetzner::Client;
use fleet_operator::servers::{Catalogue, Found, Wanted};
use jiff::Timestamp;
use owo_colors::OwoColorize;
use serde_json::Value;
use tokio::process::Command;

use crate::cli::Output;
use crate::cli::cloud::Status;
use crate::cloud::Cloud;
use crate::failure::Failure;
use crate::home::Home;
use crate::printer;

/// What was found out about one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Ok,
    Warning,
    Wrong,
}

#[derive(Debug)]
struct Check {
    what: &'static str,
    verdict: Verdict,
    says: String,
}

/// Requests below which it is said that few are left.
const FEW_REQUESTS: u32 = 200;

pub(crate) async fn run(arguments: Status) -> Result<ExitCode, Failure> {
    let Status { fleet, output } = arguments;
    let cloud = Cloud::open(&fleet)?;
    let mut checks = vec![ok(
        "spec",
        format!("{} regions", cloud.manifest.collector.spec.regions.len()),
    )];
    checks.extend(secrets(&cloud));
    match cloud.find().await {
        Ok(found) => {
            checks.push(ok("token", "reads the project".to_owned()));
            checks.push(requests(&cloud.client));
            checks.extend(stock(&cloud, &found).await);
            checks.extend(servers(&cloud.wanted, &found));
            checks.push(kubeconfig(&cloud)?);
        }
        Err(failure) => checks.push(wrong("token", failure.text())),
    }
    checks.push(
        program(
            "ssh",
            &["-V"],
            "kubeconfig, ssh and logs need OpenSSH's client",
        )
        .await,
    );
    show(output, &checks)?;
    let worst = checks.iter().map(|check| check.verdict).max();
    Ok(if worst == Some(Verdict::Wrong) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn secrets(cloud: &Cloud) -> Vec<Check> {
    let check = |what, result: Result<(), fleet_api::SecretError>| match result {
        Ok(()) => ok(what, "there".to_owned()),
        Err(error) => wrong(what, format!("{error}: {}", error.hint())),
    };
    vec![
        check("accounts", cloud.manifest.accounts(None).map(drop)),
        check("pseudonym key", cloud.manifest.privacy_key().map(drop)),
        check("canary", cloud.manifest.canary_account().map(drop)),
        check("database", cloud.manifest.database_url().map(drop)),
    ]
}

fn requests(client: &Client) -> Check {
    let budget = client.budget();
    let says = budget.remaining.map_or_else(
        || "the API did not say how many are left".to_owned(),
        |remaining| format!("{remaining} of {} an hour are left", budget.limit),
    );
    let few = budget
        .remaining
        .is_some_and(|remaining| remaining < FEW_REQUESTS);
    Check {
        what: "requests",
        verdict: if few { Verdict::Warning } else { Verdict::Ok },
        says,
    }
}

/// What is wanted, against what is sold today; servers that are there need no stock.
async fn stock(cloud: &Cloud, found: &Found) -> Vec<Check> {
    let catalogue = match Catalogue::read(&cloud.client, &cloud.wanted.image).await {
        Ok(catalogue) => catalogue,
        Err(error) => return vec![wrong("catalogue", error.to_string())],
    };
    let image = if catalogue.images.is_empty() {
        wrong(
            "image",
            format!("there is no system image {}", cloud.wanted.image),
        )
    } else {
        ok("image", cloud.wanted.image.clone())
    };
    let missing = cloud
        .wanted
        .servers
        .iter()
        .filter(|wanted| !found.servers.iter().any(|there| there.name == wanted.name));
    let offers = missing.map(|server| {
        let offers = catalogue.offers(server, Timestamp::now());
        match offers.available.first() {
            Some(best) => ok(
                "stock",
                format!(
                    "{} can be had as {} in {}",
                    server.name, best.server_type, best.location
                ),
            ),
            None => wrong("stock", format!("{}: {}", server.name, offers.refusals())),
        }
    });
    [image].into_iter().chain(offers).collect()
}

fn servers(wanted: &Wanted, found: &Found) -> Vec<Check> {
    let check = |server: &fleet_hetzner::Server| {
        let says = format!("{} is {}", server.name, server.status);
        if server.status == fleet_hetzner::ServerStatus::Running {
            ok("server", says)
        } else {
            Check {
                what: "server",
                verdict: Verdict::Warning,
                says,
            }
        }
    };
    let mut checks: Vec<Check> = found.servers.iter().map(check).collect();
    if checks.is_empty() {
        checks.push(ok("server", format!("{} has none yet", wanted.fleet)));
    }
    checks
}

fn kubeconfig(cloud: &Cloud) -> Result<Check, Failure> {
    let path = Home::of(&cloud.wanted.fleet)?.kubeconfig();
    let says = if path.exists() {
        format!("{}", path.display())
    } else {
        "not fetched yet".to_owned()
    };
    Ok(ok("kubeconfig", says))
}

async fn program(name: &'static str, arguments: &[&str], what_for: &str) -> Check {
    match Command::new(name).args(arguments).output().await {
        Ok(_) => ok(name, "there".to_owned()),
        Err(error) => Check {
            what: name,
            verdict: Verdict::Warning,
            says: format!("{error}: {what_for}"),
        },
    }
}

fn ok(what: &'static str, says: String) -> Check {
    Check {
        what,
        verdict: Verdict::Ok,
        says,
    }
}

fn wrong(what: &'static str, says: String) -> Check {
    Check {
        what,
        verdict: Verdict::Wrong,
        says,
    }
}

fn show(output: Output, checks: &[Check]) -> std::io::Result<()> {
    if output != Output::Table {
        let rows: Vec<Vec<Value>> = checks
            .iter()
            .map(|check| {
                vec![
                    check.what.into(),
                    word(check.verdict).into(),
                    check.says.clone().into(),
                ]
            })
            .collect();
        return printer::objects(output, &["check", "verdict", "says"], &rows);
    }
    for Check {
        what,
        verdict,
        says,
    } in checks
    {
        let sign = match verdict {
            Verdict::Ok => "✓".green().to_string(),
            Verdict::Warning => "!".yellow().to_string(),
            Verdict::Wrong => "✗".red().to_string(),
        };
        printer::line(&format!("{sign} {what:<14} {says}"))?;
    }
    Ok(())
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Warning => "warning",
        Verdict::Wrong => "wrong",
    }
}
