//! `fleetd`: what containers run. One subcommand a role.

mod collect;

use std::io::Write;
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
