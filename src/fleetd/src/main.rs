//! `fleetd`: what containers run. One subcommand a role.

mod collect;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
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
}

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Collect(arguments) = Cli::parse().command;
    match collect::run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { error, hint }) => {
            error!(hint, "{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What went wrong, and what a person does about it.
struct Failure {
    error: anyhow::Error,
    hint: Option<String>,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            hint: None,
        }
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
