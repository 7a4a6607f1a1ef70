//! `fleetctl completion SHELL`

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::cli::Cli;
use crate::failure::Failure;
use crate::printer;

pub(crate) fn run(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "fleetctl", &mut script);
    Ok(printer::line(String::from_utf8_lossy(&script).trim_end())?)
}
