//! Where the records of a study are: in the database that the spec or the environment names, or in a data directory.

use std::path::PathBuf;

use clap::Args;
use fleet_collector::read_spec;
use fleet_store::Place;
use fleet_store::postgres::Database;
use secrecy::SecretString;

use crate::cli::{DataDir, SecretsDir};
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
    #[command(flatten)]
    pub(crate) data: DataDir,
}

impl PlaceArgs {
    /// The database of the spec; without a spec that of the environment; without a database the data directory.
    pub(crate) fn place(self) -> Result<Place, Failure> {
        let Self {
            file,
            secrets,
            data,
        } = self;
        let url = match file {
            Some(file) => read_spec(&file, secrets.secrets_dir.as_deref())?.database_url()?,
            None => std::env::var(DATABASE_URL).ok().map(SecretString::from),
        };
        Ok(match url {
            Some(url) => Place::Database(Database::parse(&url)?),
            None => Place::Spool(data.data_dir),
        })
    }
}
