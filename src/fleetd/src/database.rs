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
/// The environment variable for `--data-dir`.
const DATA_DIR_VARIABLE: &str = "FLEET_DATA_DIR";

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

/// Where the records are.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    #[command(flatten)]
    database: DatabaseUrl,
    // Not of clap: beside a database, the variable gives way and the option does not.
    #[arg(
        long,
        value_name = "DIR",
        help = "Directory of a spool that is the database itself [env: FLEET_DATA_DIR=]"
    )]
    data_dir: Option<PathBuf>,
}

impl PlaceArgs {
    /// The database, or the spool where no database is named.
    ///
    /// Who names a directory and a database means one of them, and one of them may lose records: that is refused.
    /// `FLEET_DATA_DIR` means nothing beside a database, since a collector has it for its spool.
    pub(crate) fn place(self) -> Result<Place, Failure> {
        let Self { database, data_dir } = self;
        let named = || std::env::var_os(DATA_DIR_VARIABLE).filter(|dir| !dir.is_empty());
        match (database.database()?, data_dir) {
            (Some(_), Some(dir)) => Err(Failure {
                error: anyhow!(
                    "--data-dir names {}, and a database is named, too",
                    dir.display()
                ),
                hint: Some(format!(
                    "leave --data-dir out for the database; for the directory unset {URL_VARIABLE} and leave \
                     --database-url-file (DATABASE_URL_FILE) out"
                )),
            }),
            (Some(database), None) => Ok(Place::Database(database)),
            (None, dir) => match dir.or_else(|| named().map(PathBuf::from)) {
                Some(dir) => Ok(Place::Spool(dir)),
                None => database.required().map(Place::Database),
            },
        }
    }
}
