//! `fleetd`: what containers run. One subcommand a role.

mod archive;
mod collect;
mod database;
mod migrate;
mod operator;
mod report;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fleet_collector::{SpecFileError, StartError};
use fleet_operator::OperatorError;
use fleet_store::ArchiveError;
use fleet_store::postgres::PostgresError;
use fleet_store::report::LoadError;
use fleet_telemetry::admin::AdminError;
use fleet_telemetry::logging::{LEVEL_VARIABLE, LoggingError};
use tracing::error;

/// The roles of a fleet.
#[derive(Debug, Parser)]
#[command(name = "fleetd", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Record what one region of a spec sees, until SIGTERM
    Collect(collect::Collect),
    /// Put months that are over into verified files
    Archive(archive::Archive),
    /// Bring the figures of the reports up to date
    Report(report::Report),
    /// Make the database's tables, or change them to this version
    Migrate(database::DatabaseUrl),
    /// Keep the fleets of a Kubernetes cluster as their specs want them, until SIGTERM
    Operator(operator::OperatorArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Collect(arguments) => collect::run(arguments).await,
        Command::Archive(arguments) => archive::run(arguments).await,
        Command::Report(arguments) => report::run(arguments).await,
        Command::Migrate(arguments) => migrate::run(arguments).await,
        Command::Operator(arguments) => operator::run(arguments).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            ExitCode::FAILURE
        }
    }
}

/// What went wrong, and what a person does about it.
struct Failure {
    error: anyhow::Error,
    hint: Option<String>,
}

impl Failure {
    fn tell(&self) {
        let Self { error, hint } = self;
        if tracing::dispatcher::has_been_set() {
            error!(hint, "{error:#}");
        } else {
            // It is the logs that could not be set up. Where standard error is gone, too, the exit code is left.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            if let Some(hint) = hint {
                let _ = writeln!(std::io::stderr(), "hint: {hint}");
            }
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { error, hint: None }
    }
}

/// Errors that know what a person does about them.
macro_rules! hinted {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self { hint: error.hint(), error: error.into() }
            }
        }
    )*};
}

hinted! { ArchiveError, LoadError, OperatorError, StartError, PostgresError }

impl From<SpecFileError> for Failure {
    fn from(error: SpecFileError) -> Self {
        Self {
            hint: Some(error.hint()),
            error: error.into(),
        }
    }
}

impl From<LoggingError> for Failure {
    fn from(error: LoggingError) -> Self {
        Self {
            hint: Some(format!(
                "write a level into {LEVEL_VARIABLE}, for example info or info,fleet_soulseek=debug"
            )),
            error: error.into(),
        }
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        let error = anyhow::Error::from(error);
        error.into()
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        let error = anyhow::Error::from(error);
        error.into()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_holds_together() {
        super::Cli::command().debug_assert();
    }
}
