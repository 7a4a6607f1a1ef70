//! `fleetctl deploy`: makes what the spec describes, and may be cut off and run again at any point.

use std::net::Ipv4Addr;

use fleet_operator::servers::{Execution, Found, Outcome, Plan, StepError, Verb};
use tokio::time::Instant;

use fleet_telemetry::shutdown;

use crate::ask;
use crate::cli::cloud::{Deploy, Provider};
use crate::cloud::progress::shown;
use crate::cloud::{Cloud, table};
use crate::cluster::{self, Bootstrap, setup};
use crate::failure::Failure;
use crate::printer;

/// How often it is looked whether something is left to do. More than once is needed where two deploy at once, or an
/// answer was lost.
const ROUNDS: usize = 3;

pub(crate) async fn run(arguments: Deploy) -> Result<(), Failure> {
    match shutdown::token()?
        .run_until_cancelled(deploy(&arguments))
        .await
    {
        Some(done) => done,
        None => Err(Failure::interrupted(&format!(
            "what was begun goes on at the provider; `fleetctl deploy -f {0}` carries on, `fleetctl destroy -f {0}` \
             cleans up",
            arguments.fleet.file.display()
        ))),
    }
}

async fn deploy(arguments: &Deploy) -> Result<(), Failure> {
    let Deploy {
        fleet,
        scope,
        provider,
        access,
        yes,
    } = arguments;
    if *provider == Provider::Existing {
        return cluster::deploy(fleet, access, *yes).await;
    }
    let begun = Instant::now();
    let cloud = Cloud::open(fleet)?;
    let bootstrap = (!scope.servers_only)
        .then(|| Bootstrap::new(&cloud.wanted.fleet, access))
        .transpose()?;
    if bootstrap.is_some() && cloud.wanted.ssh_keys.is_empty() {
        return Err(no_key());
    }
    let setup = setup(bootstrap.as_ref());
    let mut made = 0;
    let mut found = cloud.find().await?;
    for round in 0.. {
        let plan = cloud
            .plan(&found, &setup, scope.rebuild_control_plane)
            .await?;
        if round == 0 {
            table::print(&found, &cloud.wanted.fleet, &plan)?;
        }
        if let Some(failure) = table::problems(&plan) {
            return Err(failure);
        }
        if plan.is_converged() {
            break;
        }
        if round == ROUNDS {
            return Err(not_converged(&cloud, &plan));
        }
        if round == 0 && !yes {
            ask::confirm("Do it?")?;
        }
        if let Some(bootstrap) = &bootstrap {
            for address in made_anew(&plan, &found) {
                bootstrap.forget(address)?;
            }
        }
        let outcome = shown(async |progress| {
            let execution = Execution {
                client: &cloud.client,
                wanted: &cloud.wanted,
                found: &found,
                setup: &setup,
                progress,
            };
            execution.run(plan).await
        })
        .await;
        made += outcome.done.len();
        if !outcome.is_complete() {
            return Err(incomplete(outcome));
        }
        found = cloud.find().await?;
    }
    if let Some(bootstrap) = &bootstrap {
        bootstrap
            .finish(&cloud.manifest, &cloud.wanted, &found)
            .await?;
        printer::note(&format!(
            "the cluster: export KUBECONFIG={}",
            bootstrap.kubeconfig().display()
        ));
    }
    tell(&cloud, &found, made, begun, arguments);
    Ok(())
}

/// The addresses of servers whose host keys will be others than before.
fn made_anew(plan: &Plan, found: &Found) -> Vec<Ipv4Addr> {
    let anew = plan
        .changes
        .iter()
        .filter(|change| matches!(change.verb, Verb::Rebuild | Verb::Replace | Verb::Create));
    let servers = anew.filter_map(|change| {
        found
            .servers
            .iter()
            .find(|server| server.name == change.item.name)
    });
    // An address that outlives its server comes with another one.
    let kept = found
        .primary_ips
        .iter()
        .filter(|ip| ip.assignee_id.is_none())
        .filter_map(|ip| ip.ip.parse().ok());
    servers
        .filter_map(fleet_hetzner::Server::ipv4)
        .chain(kept)
        .collect()
}

fn no_key() -> Failure {
    Failure::bad_file(
        anyhow::anyhow!("the spec names no SSH key: nobody could log in to fetch the kubeconfig"),
        "write a public key, or the name of a key in the project, into infrastructure.hetzner.sshKeys; or make servers \
         without a cluster with --servers-only"
            .to_owned(),
    )
}

/// What there is now, and what to type next.
fn tell(cloud: &Cloud, found: &Found, made: usize, begun: Instant, arguments: &Deploy) {
    let servers = found.servers.len();
    printer::note(&format!(
        "\n{}: {servers} servers are ready, {made} changes made in {} s",
        cloud.wanted.fleet,
        begun.elapsed().as_secs()
    ));
    let file = arguments.fleet.file.display();
    printer::note(&format!(
        "next: fleetctl monitor -f {file}, or fleetctl ssh -f {file} control-plane"
    ));
}

/// Every failure, the last one with its exit code.
fn incomplete(outcome: Outcome) -> Failure {
    let done = outcome.done.len();
    let count = outcome.failed.len();
    let mut failures = outcome.failed;
    // The reason that is the same for all is told once.
    failures.sort_by_key(|(_, _, error)| !is_about_the_token(error));
    let first = failures.into_iter().next();
    let Some((verb, item, error)) = first else {
        return Failure::with_hint(anyhow::anyhow!("nothing was done"), "run it again");
    };
    let hint = error
        .hint()
        .unwrap_or_else(|| "run the same command again; it carries on where it was".to_owned());
    let refused = is_about_the_token(&error);
    let what = format!(
        "{} {} {}",
        table::verb(verb),
        table::kind(item.kind),
        item.name
    );
    let error = anyhow::Error::new(error).context(format!(
        "{count} of {} changes were not made, first: {what}",
        count + done
    ));
    if refused {
        Failure::refused(error, &hint)
    } else {
        Failure::cloud(error, &hint)
    }
}

fn is_about_the_token(error: &StepError) -> bool {
    matches!(error, StepError::Api(error) if error.is_unauthorized() || error.is_forbidden())
}

fn not_converged(cloud: &Cloud, plan: &Plan) -> Failure {
    let left: Vec<String> = plan
        .changes
        .iter()
        .map(|change| change.item.name.clone())
        .collect();
    Failure::cloud(
        anyhow::anyhow!(
            "{} is still not as the spec wants it: {}",
            cloud.wanted.fleet,
            left.join(", ")
        ),
        "somebody else may be changing the same fleet; look at `fleetctl plan`",
    )
}
