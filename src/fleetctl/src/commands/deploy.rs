//! `fleetctl deploy`: makes what the spec describes, and may be cut off and run again at any point.

use fleet_operator::servers::{Execution, Found, Outcome, Setup, StepError};
use tokio::time::Instant;

use fleet_telemetry::shutdown;

use crate::ask;
use crate::cli::cloud::Deploy;
use crate::cloud::progress::shown;
use crate::cloud::{Cloud, table};
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
        fleet, scope, yes, ..
    } = arguments;
    let begun = Instant::now();
    let cloud = Cloud::open(fleet)?;
    let setup = Setup::Hosts;
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
    tell(&cloud, &found, made, begun, arguments);
    Ok(())
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

fn not_converged(cloud: &Cloud, plan: &fleet_operator::servers::Plan) -> Failure {
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
