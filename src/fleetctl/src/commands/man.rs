//! `fleetctl man [DIR]`

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::printer;

/// Writes a page for each subcommand to the directory; without one prints them all, one after the other.
pub(crate) fn run(dir: Option<&Path>) -> Result<(), Failure> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let Some(dir) = dir else {
        let mut pages = Vec::new();
        render(&command, &mut pages)?;
        return Ok(printer::line(String::from_utf8_lossy(&pages).trim_end())?);
    };
    let context = || format!("cannot write to {}", dir.display());
    fs::create_dir_all(dir).with_context(context)?;
    clap_mangen::generate_to(command, dir).with_context(context)?;
    let read = format!("man -l {}", dir.join("fleetctl.1").display());
    printer::note(&format!(
        "wrote the pages to {}; read one with: {read}",
        dir.display()
    ));
    Ok(())
}

fn render(command: &clap::Command, pages: &mut Vec<u8>) -> std::io::Result<()> {
    Man::new(command.clone()).render(pages)?;
    command
        .get_subcommands()
        .try_for_each(|command| render(command, pages))
}
