//! `fleet-sim soulseek --port P` and `fleet-sim hetzner --port P --token T`: servers on this machine.

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{hetzner, soulseek};

/// Servers that stand in for the real ones, for tests and laptops.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a Soulseek server: logins, peer addresses, the distributed search tree.
    Soulseek(soulseek::Soulseek),
    /// Run the Hetzner Cloud API: servers, networks, volumes, prices, and faults on demand.
    Hetzner(hetzner::Hetzner),
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let (name, result) = match Cli::parse().command {
        Command::Soulseek(arguments) => ("Soulseek server", soulseek::run(arguments).await),
        Command::Hetzner(arguments) => ("Hetzner API", hetzner::run(arguments).await),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(name, &error);
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the one place where this program speaks of errors"
)]
fn complain(name: &str, error: &std::io::Error) {
    eprintln!("error: cannot run the {name}: {error}");
    if error.kind() == std::io::ErrorKind::AddrInUse {
        eprintln!("hint: choose another --port, or 0 to let the system choose");
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
