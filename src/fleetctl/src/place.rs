//! Where the records of a study are: in the database that the spec or the environment names, or in a data directory.

use std::path::PathBuf;

use clap::Args;
use fleet_api::Manifest;
use fleet_collector::read_spec;
use fleet_store::Place;
use fleet_store::postgres::Database;
use secrecy::SecretString;

use crate::cli::{DATA_DIR, DATA_DIR_VARIABLE, SecretsDir};
use crate::failure::Failure;

/// The environment variable with the database's URL. It holds a password, so there is no option for it.
const DATABASE_URL: &str = "DATABASE_URL";

/// Where the records are.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// The spec, which names the database; without it the environment's `DATABASE_URL` does
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) secrets: SecretsDir,
    // Not of clap: beside a database, the variable gives way and the option does not.
    #[arg(
        long,
        value_name = "DIR",
        help = "Directory of the local store [env: FLEET_DATA_DIR=] [default: fleet-data]"
    )]
    pub(crate) data_dir: Option<PathBuf>,
}

impl PlaceArgs {
    /// The database of the spec; without a spec that of the environment; without a database the data directory.
    ///
    /// Who names a directory and a database means one of them, and one of them may lose records: that is refused.
    /// `FLEET_DATA_DIR` means nothing beside a database, since a collector has it for its spool.
    pub(crate) fn place(self) -> Result<Place, Failure> {
        self.read().map(|(_, place)| place)
    }

    /// The same with the spec, if there is one.
    pub(crate) fn read(self) -> Result<(Option<Manifest>, Place), Failure> {
        let Self {
            file,
            secrets,
            data_dir,
        } = self;
        let manifest = match &file {
            Some(file) => Some(read_spec(file, secrets.secrets_dir.as_deref())?),
            None => None,
        };
        let (url, source) = match &manifest {
            Some(manifest) => (manifest.database_url()?, "the spec"),
            None => (
                std::env::var(DATABASE_URL).ok().map(SecretString::from),
                DATABASE_URL,
            ),
        };
        match (url, data_dir) {
            (None, dir) => Ok((manifest, Place::Spool(dir.unwrap_or_else(default_dir)))),
            (Some(url), None) => Ok((manifest, Place::Database(Database::parse(&url)?))),
            (Some(_), Some(dir)) => {
                let error = anyhow::anyhow!(
                    "--data-dir names {}, and {source} names a database",
                    dir.display()
                );
                let hint = if file.is_some() {
                    "leave --data-dir out for the database, or -f for the directory"
                } else {
                    "leave --data-dir out for the database, or unset DATABASE_URL for the directory"
                };
                Err(Failure::wrong_command_line(error, hint))
            }
        }
    }
}

fn default_dir() -> PathBuf {
    let named = std::env::var_os(DATA_DIR_VARIABLE).filter(|dir| !dir.is_empty());
    named.map_or_else(|| DATA_DIR.into(), PathBuf::from)
}
