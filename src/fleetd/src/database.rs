//! Which database.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;
use fleet_store::Place;
use fleet_store::postgres::Database;
use secrecy::SecretString;

use crate::Failure;

/// The environment variable with the URL.
const URL_VARIABLE: &str = "DATABASE_URL";

/// Where the URL of the database is. It holds a password, so it is not an argument: everybody can read those.
#[derive(Debug, Args)]
pub(crate) struct DatabaseUrl {
    /// File with the database's URL, as a Secret is mounted; without it the environment's `DATABASE_URL` counts
    #[arg(long, value_name = "FILE", env = "DATABASE_URL_FILE")]
    database_url_file: Option<PathBuf>,
}

impl DatabaseUrl {
    /// The database, if one is named.
    pub(crate) fn database(&self) -> Result<Option<Database>, Failure> {
        let url = match &self.database_url_file {
            Some(file) => {
                let url = std::fs::read_to_string(file);
                Some(url.with_context(|| format!("cannot read {}", file.display()))?)
            }
            None => std::env::var(URL_VARIABLE).ok(),
        };
        let database = url.map(|url| Database::parse(&SecretString::from(url)));
        Ok(database.transpose()?)
    }

    /// The database, or the spool where no database is named.
    pub(crate) fn place(&self, data_dir: Option<PathBuf>) -> Result<Place, Failure> {
        match (self.database()?, data_dir) {
            (Some(database), _) => Ok(Place::Database(database)),
            (None, Some(dir)) => Ok(Place::Spool(dir)),
            (None, None) => self.required().map(Place::Database),
        }
    }

    /// The database that must be named.
    pub(crate) fn required(&self) -> Result<Database, Failure> {
        self.database()?.ok_or_else(|| Failure {
            error: anyhow!("no database is named"),
            hint: Some(format!(
                "set {URL_VARIABLE}=postgres://user:password@host:5432/database, or name a file with --database-url-file"
            )),
        })
    }
}
