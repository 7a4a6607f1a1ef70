//! `fleetctl destroy`: deletes what carries the fleet's label, and says what stays.

use fleet_operator::servers::Demolition;
use owo_colors::OwoColorize;

use fleet_telemetry::shutdown;

use crate::ask;
use crate::cli::cloud::{Destroy, Provider};
use crate::cloud::progress::shown;
use crate::cloud::{Cloud, table};
use crate::cluster;
use crate::failure::Failure;
use crate::home::Home;
use crate::printer;

pub(crate) async fn run(arguments: Destroy) -> Result<(), Failure> {
    match shutdown::token()?
        .run_until_cancelled(destroy(&arguments))
        .await
    {
        Some(done) => done,
        None => Err(Failure::interrupted(&format!(
            "`fleetctl destroy -f {}` carries on",
            arguments.fleet.file.display()
        ))),
    }
}

async fn destroy(arguments: &Destroy) -> Result<(), Failure> {
    let Destroy {
        fleet,
        volumes,
        provider,
        access,
        yes,
    } = arguments;
    if *provider == Provider::Existing {
        return cluster::destroy(fleet, access, *yes).await;
    }
    let cloud = Cloud::open(fleet)?;
    let name = &cloud.wanted.fleet;
    let found = cloud.find().await?;
    let demolition = Demolition::of(&found, &cloud.wanted, *volumes);
    show(name, &demolition)?;
    if demolition.delete.is_empty() {
        return Ok(());
    }
    if !yes {
        ask::name(
            &format!(
                "Type the fleet's name to delete {} things",
                demolition.delete.len()
            ),
            name,
        )?;
    }
    let kept = demolition.keep.clone();
    let (deleted, remains) = shown(async |progress| {
        demolition
            .run(&cloud.client, &cloud.wanted, *volumes, progress)
            .await
    })
    .await?;
    printer::note(&format!("\n{name}: {deleted} deleted"));
    for item in &kept {
        printer::note(&format!(
            "{} {} {} stays: --volumes deletes it, too",
            "note:".yellow().bold(),
            table::kind(item.kind),
            item.name
        ));
    }
    let Some((item, error)) = remains.into_iter().next() else {
        Home::of(name)?.remove()?;
        return Ok(());
    };
    let hint = error
        .hint()
        .unwrap_or_else(|| "run the same command again".to_owned());
    let what = format!(
        "{} {} could not be deleted",
        table::kind(item.kind),
        item.name
    );
    Err(Failure::cloud(
        anyhow::Error::new(error).context(what),
        &hint,
    ))
}

/// What goes, and what stays.
fn show(name: &str, demolition: &Demolition) -> std::io::Result<()> {
    if demolition.delete.is_empty() {
        printer::line(&format!("{name}: nothing is there"))?;
    } else {
        printer::line(&format!(
            "{}: {} to delete\n",
            name.bold(),
            demolition.delete.len()
        ))?;
        for (item, _) in &demolition.delete {
            printer::line(&format!(" {} {}", "-".red(), table::item(item).red()))?;
        }
        printer::line("")?;
    }
    for item in &demolition.keep {
        printer::line(&format!(
            "   {}  stays, with its data, and costs on",
            table::item(item)
        ))?;
    }
    Ok(())
}
