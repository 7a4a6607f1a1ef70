//! The command line of `fleetctl init`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use ipnet::IpNet;
use serde::Serialize;

/// What is not given is asked for on a terminal.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The file to write, readable for its owner only; by default the study's name with `.yaml`
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Name of the study: lower-case letters, digits and dashes
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The network to study
    #[arg(long, value_enum)]
    pub(crate) network: Option<Network>,
    /// Whose machines record
    #[arg(long, value_enum)]
    pub(crate) machines: Option<Machines>,
    /// A region, and the Hetzner location of a server of its own, for example us-east=ash; may be repeated
    #[arg(long = "region", value_name = "NAME[=LOCATION]")]
    pub(crate) regions: Vec<RegionChoice>,
    /// Who may log in to servers: a file with a public key, a public key, or the name of one in the project; may be repeated
    #[arg(long = "ssh-key", value_name = "FILE|KEY|NAME")]
    pub(crate) ssh_keys: Vec<String>,
    /// From where SSH and the Kubernetes API can be reached; may be repeated
    #[arg(long = "allow-from", value_name = "CIDR", value_parser = parse_range)]
    pub(crate) allow_from: Vec<IpNet>,
    /// How a pseudonym is made from a user's name
    #[arg(long, value_enum)]
    pub(crate) pseudonyms: Option<Pseudonyms>,
    /// Bring the records of all regions together in a PostgreSQL that you have
    #[arg(long, value_name = "yes|no", num_args = 0..=1, require_equals = true,
          default_missing_value = "yes", value_parser = BoolishValueParser::new())]
    pub(crate) database: Option<bool>,
    /// Send a few searches of our own, to learn what share each region hears
    #[arg(long, value_name = "yes|no", num_args = 0..=1, require_equals = true,
          default_missing_value = "yes", value_parser = BoolishValueParser::new())]
    pub(crate) canary: Option<bool>,
    /// Ask nothing: take the usual for what is not given
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Write even where there is a file; it is kept as FILE.old
    #[arg(long)]
    pub(crate) force: bool,
}

/// A peer-to-peer network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Network {
    /// Every search that travels through the Soulseek network
    Soulseek,
}

/// Whose machines record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Machines {
    /// Servers of Hetzner Cloud, all over the world
    Hetzner,
    /// The one on which you type `fleetctl up`
    Here,
}

/// How a pseudonym is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Pseudonyms {
    /// The same name gives the same pseudonym, and the key turns it back
    Siv,
    /// Each record has another pseudonym, and the key turns it back
    Fernet,
    /// The same name gives the same pseudonym, and nothing turns it back
    Hmac,
}

/// A region, and where it has a server of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RegionChoice {
    pub(crate) name: String,
    pub(crate) location: Option<String>,
}

impl FromStr for RegionChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, location) = match text.split_once('=') {
            Some((name, location)) => (name, Some(location)),
            None => (text, None),
        };
        if name.is_empty() || location.is_some_and(str::is_empty) {
            return Err("write a name, or name=location, for example us-east=ash".to_owned());
        }
        Ok(Self {
            name: name.to_owned(),
            location: location.map(str::to_owned),
        })
    }
}

/// A range, or one address.
pub(crate) fn parse_range(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| {
        "write an address or a range, for example 203.0.113.7 or 2001:db8::/48".to_owned()
    })
}
