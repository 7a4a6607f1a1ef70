//! `fleetctl`: what people type. Each subcommand is a file in `commands`.

mod ask;
mod bar;
mod cli;
mod cloud;
mod cluster;
mod commands;
mod failure;
mod home;
mod place;
mod printer;
mod progress;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return failure::of_command_line(&error),
    };
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => match runtime.block_on(run(cli)) {
            Ok(code) => code,
            Err(failure) => {
                failure.print();
                failure.exit_code()
            }
        },
        Err(error) => {
            Failure::from(error).print();
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let done = match cli.command {
        Command::Plan(arguments) => return commands::plan::run(arguments).await,
        Command::Deploy(arguments) => commands::deploy::run(arguments).await,
        Command::Destroy(arguments) => commands::destroy::run(arguments).await,
        Command::Status(arguments) => commands::status::run(arguments).await,
        Command::Cost(arguments) => commands::cost::run(arguments).await,
        Command::Doctor(arguments) => return commands::doctor::run(arguments).await,
        Command::Ssh(arguments) => return commands::ssh::run(arguments).await,
        Command::Kubeconfig(arguments) => commands::kubeconfig::run(arguments).await,
        Command::Logs(arguments) => return commands::ssh::logs(arguments).await,
        Command::Init(arguments) => commands::init::run(arguments),
        Command::Validate(arguments) => commands::validate::run(arguments),
        Command::Up(arguments) => commands::up::run(arguments).await,
        Command::Monitor(arguments) => commands::monitor::run(arguments).await,
        Command::Export(arguments) => commands::export::run(arguments).await,
        Command::Query(arguments) => commands::query::run(arguments).await,
        Command::Report(arguments) => commands::report::run(arguments).await,
        Command::Archive(command) => commands::archive::run(command).await,
        Command::Reveal(arguments) => commands::reveal::run(arguments),
        Command::Crd => commands::crd::run(),
        Command::Completion { shell } => commands::completion::run(shell),
        Command::Man { dir } => commands::man::run(dir.as_deref()),
    };
    done.map(|()| ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_holds_together() {
        super::Cli::command().debug_assert();
    }
}
