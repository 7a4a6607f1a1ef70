//! What a person wants to study, and the spec that says so.

use fleet_api::{Manifest, ManifestError};
use ipnet::IpNet;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use rand::distr::{Alphanumeric, SampleString as _};
use rand::seq::IndexedRandom as _;
use serde::Serialize;

use super::places::server_types;
use crate::cli::init::{Machines, Network, Pseudonyms, RegionChoice};

const TEMPLATE: &str = include_str!("spec.yaml.j2");
/// The first port of a machine's first region; each region takes two.
const FIRST_PORT: usize = 60000;
const PASSWORD_LENGTH: usize = 20;
const KEY_BYTES: usize = 32;
/// The network takes names of accounts of up to 30 characters.
const ACCOUNT_LENGTH: usize = 24;
/// What ends an account's name, so that nobody has it yet. No letter that is taken for another.
const ENDING: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
const ENDING_LENGTH: usize = 5;

/// Everything that was asked.
#[derive(Debug, Clone)]
pub(super) struct Study {
    pub(super) name: String,
    pub(super) network: Network,
    pub(super) machines: Machines,
    pub(super) regions: Vec<RegionChoice>,
    pub(super) ssh_keys: Vec<String>,
    pub(super) allow_from: Vec<IpNet>,
    pub(super) pseudonyms: Pseudonyms,
    pub(super) database: bool,
    pub(super) canary: bool,
}

/// What the template has. Secrets stand in it: none of these can be printed by mistake.
#[derive(Serialize)]
struct Spec<'s> {
    file: &'s str,
    name: &'s str,
    network: Network,
    on_servers: bool,
    regions: Vec<Region<'s>>,
    ssh_keys: &'s [String],
    allow_from: Vec<String>,
    /// Whether everyone is allowed.
    open: bool,
    pseudonyms: Pseudonyms,
    database: bool,
    canary: Option<Account>,
    key: String,
}

/// A region as the template has it.
#[derive(Serialize)]
struct Region<'s> {
    name: &'s str,
    location: Option<&'s str>,
    server_types: &'static [&'static str],
    port: usize,
    account: Account,
}

/// An account that nobody has yet: the network registers it at its first login.
#[derive(Serialize)]
struct Account {
    username: String,
    password: String,
}

impl Study {
    /// The spec with its Secrets, new ones each time. `file` is its name, for the commands in its comments.
    pub(super) fn render(&self, file: &str) -> Result<String, minijinja::Error> {
        let Self {
            name,
            network,
            machines,
            regions,
            ssh_keys,
            allow_from,
            pseudonyms,
            database,
            canary,
        } = self;
        let ports = ports(regions);
        let regions: Vec<_> = regions
            .iter()
            .zip(ports)
            .map(|(region, port)| Region {
                name: &region.name,
                location: region.location.as_deref(),
                server_types: region.location.as_deref().map_or(&[], server_types),
                port,
                account: Account::new(name, &region.name),
            })
            .collect();
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // A line with nothing but a tag leaves nothing behind.
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()?;
        environment.set_syntax(syntax);
        environment.add_filter("word", word);
        let spec = Spec {
            file,
            name,
            network: *network,
            on_servers: *machines == Machines::Hetzner,
            regions,
            ssh_keys,
            allow_from: allow_from.iter().map(ToString::to_string).collect(),
            open: allow_from.iter().any(|range| range.prefix_len() == 0),
            pseudonyms: *pseudonyms,
            database: *database,
            canary: canary.then(|| Account::new(name, "canary")),
            key: key(),
        };
        environment.render_str(TEMPLATE, Serde(&spec))
    }

    /// What the API server would refuse. What is asked one by one is looked at with the rest as it usually is.
    pub(super) fn check(&self) -> Result<(), anyhow::Error> {
        for name in [&self.name]
            .into_iter()
            .chain(self.regions.iter().map(|region| &region.name))
        {
            check_name(name).map_err(anyhow::Error::msg)?;
        }
        let text = self.render("study.yaml")?;
        match Manifest::parse(&text, "study.yaml") {
            Ok(_) => Ok(()),
            Err(ManifestError::Invalid { violations, .. }) => {
                let messages = violations.into_iter().map(|violation| violation.message);
                let messages: std::collections::BTreeSet<_> = messages.collect();
                Err(anyhow::Error::msg(Vec::from_iter(messages).join("; ")))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Names become those of servers and of objects in Kubernetes, and stand unquoted in the file.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    if begins && name.chars().all(inner) && !name.ends_with('-') {
        Ok(())
    } else {
        Err(format!(
            "`{name}` is no name here: write lower-case letters, digits and dashes, a letter first"
        ))
    }
}

/// Words that YAML takes for something else: the region of Norway is not `false`.
const NO_STRINGS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// A name as it stands in YAML.
fn word(name: &str) -> String {
    if NO_STRINGS.contains(&name) {
        format!("\"{name}\"")
    } else {
        name.to_owned()
    }
}

/// A port for each region: those that share a machine need different ones.
fn ports(regions: &[RegionChoice]) -> Vec<usize> {
    let mut sharing = 0;
    let port = |region: &RegionChoice| {
        if region.location.is_some() {
            return FIRST_PORT;
        }
        sharing += 1;
        FIRST_PORT + 2 * (sharing - 1)
    };
    regions.iter().map(port).collect()
}

impl Account {
    fn new(study: &str, who: &str) -> Self {
        let mut rng = rand::rng();
        let letter = || ENDING.choose(&mut rng).map_or('x', |&letter| letter.into());
        let ending: String = std::iter::repeat_with(letter).take(ENDING_LENGTH).collect();
        let name: String = format!("{study}-{who}")
            .chars()
            .take(ACCOUNT_LENGTH)
            .collect();
        Self {
            username: format!("{}-{ending}", name.trim_end_matches('-')),
            // A word in YAML, whatever comes: it begins with a letter and is not one of its numbers.
            password: format!("p{}", Alphanumeric.sample_string(&mut rng, PASSWORD_LENGTH)),
        }
    }
}

fn key() -> String {
    let bytes: [u8; KEY_BYTES] = rand::random();
    bytes.map(|byte| format!("{byte:02x}")).concat()
}
