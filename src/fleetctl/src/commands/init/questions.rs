//! What is asked on a terminal. An answer that was given as an option is not asked for.

use std::fmt;

use inquire::list_option::ListOption;
use inquire::ui::{Color, RenderConfig, StyleSheet, Styled};
use inquire::validator::Validation;
use inquire::{Confirm, InquireError, MultiSelect, Select, Text};
use ipnet::IpNet;

use super::places::{PLACES, Place};
use super::ssh_keys;
use super::study::check_name;
use crate::cli::init::{Machines, Pseudonyms, RegionChoice, parse_range};
use crate::failure::Failure;

/// An answer, or the wish to stop.
type Answer<T> = Result<T, Failure>;

/// An answer to choose, with what it means.
struct Choice<T> {
    value: T,
    means: &'static str,
}

impl<T> fmt::Display for Choice<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.means)
    }
}

fn choice<T>(value: T, means: &'static str) -> Choice<T> {
    Choice { value, means }
}

pub(super) fn name(usual: &str) -> Answer<String> {
    let text = Text::new("What is the study called?")
        .with_default(usual)
        .with_help_message("lower-case letters, digits and dashes; servers are named after it")
        .with_validator(|text: &str| Ok(valid(check_name(text))));
    answered(text.prompt())
}

pub(super) fn machines() -> Answer<Machines> {
    let choices = vec![
        choice(
            Machines::Hetzner,
            "servers of Hetzner Cloud, in several places of the world",
        ),
        choice(
            Machines::Here,
            "this machine, for as long as `fleetctl up` runs",
        ),
    ];
    let chosen = Select::new("Where does it record?", choices).without_filtering();
    answered(chosen.prompt()).map(|choice| choice.value)
}

/// Regions with servers: the control plane's first, then one in each place.
pub(super) fn regions(usual: &[RegionChoice]) -> Answer<Vec<RegionChoice>> {
    let is_usual = |place: &Place| {
        let mut locations = usual.iter().filter_map(|region| region.location.as_deref());
        locations.any(|location| location == place.location)
    };
    let usual_places = (0..PLACES.len()).filter(|&index| is_usual(&PLACES[index]));
    let usual_places: Vec<usize> = usual_places.collect();
    let places = MultiSelect::new(
        "In which places does a region have a server of its own?",
        PLACES.to_vec(),
    )
    .with_default(&usual_places)
    .without_filtering()
    .with_help_message(
        "space marks, enter goes on; one more region runs in Germany with the control plane",
    )
    .with_formatter(&|places: &[ListOption<&Place>]| {
        let names = places.iter().map(|place| place.value.location);
        names.collect::<Vec<_>>().join(", ")
    });
    let places = answered(places.prompt())?;
    let mut regions = Vec::new();
    let wanted = [(None, "germany")].into_iter();
    let wanted = wanted.chain(
        places
            .iter()
            .map(|place| (Some(place.location), place.region)),
    );
    for (location, usual) in wanted {
        let question = match location {
            Some(location) => format!("What is the region in {location} called?"),
            None => "What is the region on the control plane's server called?".to_owned(),
        };
        let name = region_name(&question, usual, &regions)?;
        let location = location.map(str::to_owned);
        regions.push(RegionChoice { name, location });
    }
    Ok(regions)
}

/// The one region that this machine is.
pub(super) fn region_here(usual: &str) -> Answer<Vec<RegionChoice>> {
    let name = region_name(
        "What is the region called in which this machine is?",
        usual,
        &[],
    )?;
    Ok(vec![RegionChoice {
        name,
        location: None,
    }])
}

fn region_name(question: &str, usual: &str, taken: &[RegionChoice]) -> Answer<String> {
    let taken: Vec<String> = taken.iter().map(|region| region.name.clone()).collect();
    let check = move |text: &str| {
        let free = check_name(text).and_then(|()| {
            let is_taken = taken.iter().any(|name| name == text);
            if is_taken {
                Err(format!("`{text}` is another region"))
            } else {
                Ok(())
            }
        });
        Ok(valid(free))
    };
    let text = Text::new(question)
        .with_default(usual)
        .with_help_message("it marks the region's records, as their `client_id`")
        .with_validator(check);
    answered(text.prompt())
}

pub(super) fn ssh_keys() -> Answer<Vec<String>> {
    let found = ssh_keys::found();
    if found.is_empty() {
        let text = Text::new("Which public key may log in to the servers?").with_help_message(
            "there is none in ~/.ssh; `ssh-keygen -t ed25519` makes one. Empty: nobody",
        );
        let key = answered(text.prompt())?;
        return Ok(Vec::from_iter(
            Some(key).filter(|key| !key.trim().is_empty()),
        ));
    }
    let keys = MultiSelect::new("Which public keys may log in to the servers?", found)
        .with_default(&[0])
        .without_filtering()
        .with_help_message("space marks, enter goes on")
        .with_formatter(&|keys: &[ListOption<&ssh_keys::Found>]| {
            let names = keys.iter().map(|key| key.value.file.as_str());
            names.collect::<Vec<_>>().join(", ")
        });
    let keys = answered(keys.prompt())?;
    Ok(keys.into_iter().map(|found| found.key).collect())
}

pub(super) fn allow_from(usual: &[IpNet]) -> Answer<Vec<IpNet>> {
    let everyone = usual.iter().map(ToString::to_string).collect::<Vec<_>>();
    let text = Text::new("From which addresses can SSH and the Kubernetes API be reached?")
        .with_default("everywhere")
        .with_help_message(
            "better your own: addresses or ranges, for example 203.0.113.7 or 2001:db8::/48",
        )
        .with_validator(|text: &str| Ok(valid(ranges(text).map(|_| ()))));
    let text = answered(text.prompt())?;
    let text = if text == "everywhere" {
        everyone.join(",")
    } else {
        text
    };
    ranges(&text).map_err(|problem| anyhow::Error::msg(problem).into())
}

fn ranges(text: &str) -> Result<Vec<IpNet>, String> {
    if text == "everywhere" {
        return Ok(Vec::new());
    }
    let parts = text.split([',', ' ']).filter(|part| !part.is_empty());
    let ranges: Vec<IpNet> = parts.map(parse_range).collect::<Result<_, _>>()?;
    if ranges.is_empty() {
        return Err("write at least one address or range".to_owned());
    }
    Ok(ranges)
}

pub(super) fn pseudonyms() -> Answer<Pseudonyms> {
    let choices = vec![
        choice(
            Pseudonyms::Siv,
            "siv     a user has one pseudonym; the key turns it back into the name",
        ),
        choice(
            Pseudonyms::Hmac,
            "hmac    a user has one pseudonym; nothing turns it back",
        ),
        choice(
            Pseudonyms::Fernet,
            "fernet  each record has another one; the key turns it back",
        ),
    ];
    let chosen = Select::new("How are users' names protected?", choices)
        .without_filtering()
        .with_help_message("clear names are never written; the key is made now")
        .with_formatter(&|choice| first_word(choice.value.means));
    answered(chosen.prompt()).map(|choice| choice.value)
}

fn first_word(text: &str) -> String {
    text.split(' ').next().unwrap_or_default().to_owned()
}

pub(super) fn database() -> Answer<bool> {
    let question = "Do you have a PostgreSQL in which all regions' records come together?";
    let help = "no: they stay in a local store, which export, report and archive read just as well";
    confirmed(question, help)
}

pub(super) fn canary() -> Answer<bool> {
    let question = "Send a few searches of our own, to learn what share each region hears?";
    let help = "a canary: 4 random searches an hour, from an account of its own";
    confirmed(question, help)
}

fn confirmed(question: &str, help: &str) -> Answer<bool> {
    let asked = Confirm::new(question).with_default(false);
    answered(asked.with_help_message(help).prompt())
}

fn valid(result: Result<(), String>) -> Validation {
    result.map_or_else(
        |problem| Validation::Invalid(problem.into()),
        |()| Validation::Valid,
    )
}

fn answered<T>(answer: Result<T, InquireError>) -> Answer<T> {
    answer.map_err(|error| match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => {
            Failure::interrupted("nothing is written; start again when you like")
        }
        other => anyhow::Error::from(other).into(),
    })
}

/// How questions look: like the rest of `fleetctl`, and without colours where they are not wanted.
pub(super) fn look() -> RenderConfig<'static> {
    if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return RenderConfig::empty();
    }
    RenderConfig::default_colored()
        .with_prompt_prefix(Styled::new("?").with_fg(Color::LightCyan))
        .with_answered_prompt_prefix(Styled::new("✓").with_fg(Color::LightGreen))
        .with_highlighted_option_prefix(Styled::new("›").with_fg(Color::LightCyan))
        .with_selected_checkbox(Styled::new("◉").with_fg(Color::LightGreen))
        .with_unselected_checkbox(Styled::new("○"))
        .with_help_message(StyleSheet::new().with_fg(Color::DarkGrey))
}
