//! `fleetctl init`: asks a few questions and writes a spec that works.

mod places;
mod questions;
mod ssh_keys;
mod study;
#[cfg(test)]
mod tests;
mod write;

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use anyhow::anyhow;
use ipnet::IpNet;
use owo_colors::OwoColorize;

use self::study::Study;
use crate::cli::init::{Init, Machines, Network, Pseudonyms, RegionChoice, parse_range};
use crate::failure::Failure;
use crate::printer;

const USUAL_NAME: &str = "study";
/// The regions of a study with servers: one beside the control plane, one for each of two other parts of the world.
const USUAL_REGIONS: [(&str, Option<&str>); 3] = [
    ("germany", None),
    ("us-east", Some("ash")),
    ("singapore", Some("sin")),
];
const USUAL_REGION_HERE: &str = "here";
const EVERYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];

pub(crate) fn run(arguments: Init) -> Result<(), Failure> {
    let force = arguments.force;
    if let Some(file) = &arguments.file {
        write::look(file, force)?;
    }
    let can_ask = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !arguments.yes && !can_ask {
        let error = anyhow!("there is no terminal to ask on");
        let hint = "answer with options and add --yes, which takes the usual for the rest: fleetctl init --yes --name study";
        return Err(Failure::wrong_command_line(error, hint));
    }
    inquire::set_global_render_config(questions::look());
    let file = arguments.file.clone();
    let study = study(arguments)?;
    let wrong = |error| {
        Failure::wrong_command_line(error, "`fleetctl init --help` shows what can be answered")
    };
    study.check().map_err(wrong)?;
    let file = file.unwrap_or_else(|| PathBuf::from(format!("{}.yaml", study.name)));
    write::look(&file, force)?;
    let shown = printer::visible(&file.display().to_string());
    let text = study.render(&shown).map_err(anyhow::Error::from)?;
    if let Some(old) = write::write(&file, &text, force)? {
        printer::note(&format!(
            "the file that was there is kept as {}",
            old.display()
        ));
    }
    printer::line(&format!(
        "wrote {}: Secrets stand in it, so only you can read it",
        shown.bold()
    ))?;
    let next = match study.machines {
        Machines::Hetzner => format!("fleetctl plan -f {shown}"),
        Machines::Here => format!("fleetctl up {shown}"),
    };
    let first = if study.database {
        format!("put the database's address into {shown}, then ")
    } else {
        String::new()
    };
    printer::note(&format!("next: {first}{}", next.cyan()));
    Ok(())
}

/// The answers: those of the command line, and for the rest those of a person, or what is usual.
fn study(arguments: Init) -> Result<Study, Failure> {
    let Init {
        file: _,
        name,
        network,
        machines,
        regions,
        ssh_keys: keys,
        allow_from,
        pseudonyms,
        database,
        canary,
        yes,
        force: _,
    } = arguments;
    let name = answer(
        name,
        yes,
        || USUAL_NAME.to_owned(),
        || questions::name(USUAL_NAME),
    )?;
    // Who names a location wants servers.
    let has_location = regions.iter().any(|region| region.location.is_some());
    let machines = machines.or(has_location.then_some(Machines::Hetzner));
    let machines = answer(machines, yes, || Machines::Hetzner, questions::machines)?;
    let on_servers = machines == Machines::Hetzner;
    let regions = Some(regions).filter(|regions| !regions.is_empty());
    let regions = if on_servers {
        answer(regions, yes, usual_regions, || {
            questions::regions(&usual_regions())
        })?
    } else {
        answer(regions, yes, region_here, || {
            questions::region_here(USUAL_REGION_HERE)
        })?
    };
    let keys: Vec<String> = keys
        .iter()
        .map(|key| ssh_keys::read(key))
        .collect::<Result<_, _>>()?;
    let keys = Some(keys).filter(|keys| !keys.is_empty() || !on_servers);
    let allow_from = Some(allow_from).filter(|ranges| !ranges.is_empty() || !on_servers);
    Ok(Study {
        name,
        // There is nothing to choose yet.
        network: network.unwrap_or(Network::Soulseek),
        machines,
        regions,
        ssh_keys: answer(keys, yes, usual_keys, questions::ssh_keys)?,
        allow_from: answer(allow_from, yes, everywhere, || {
            questions::allow_from(&everywhere())
        })?,
        pseudonyms: answer(pseudonyms, yes, || Pseudonyms::Siv, questions::pseudonyms)?,
        database: answer(database, yes, || false, questions::database)?,
        canary: answer(canary, yes, || false, questions::canary)?,
    })
}

fn answer<T>(
    given: Option<T>,
    yes: bool,
    usual: impl FnOnce() -> T,
    ask: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    match given {
        Some(given) => Ok(given),
        None if yes => Ok(usual()),
        None => ask(),
    }
}

fn usual_regions() -> Vec<RegionChoice> {
    let region = |(name, location): (&str, Option<&str>)| RegionChoice {
        name: name.to_owned(),
        location: location.map(str::to_owned),
    };
    USUAL_REGIONS.map(region).into()
}

fn region_here() -> Vec<RegionChoice> {
    vec![RegionChoice {
        name: USUAL_REGION_HERE.to_owned(),
        location: None,
    }]
}

/// The first key in `~/.ssh`, if there is one.
fn usual_keys() -> Vec<String> {
    ssh_keys::found()
        .into_iter()
        .take(1)
        .map(|found| found.key)
        .collect()
}

fn everywhere() -> Vec<IpNet> {
    let ranges = EVERYWHERE.iter().map(|range| parse_range(range));
    ranges.filter_map(Result::ok).collect()
}
