//! The command line of `fleetctl validate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::SecretsDir;

#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Specs with their Secrets; `-` reads standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) secrets: SecretsDir,
    /// How to print what is found: the JSON form is an object a file
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Findings,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Findings {
    /// Lines for people
    #[default]
    Text,
    /// A JSON object a line
    Json,
}
