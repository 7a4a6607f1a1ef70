//! The command line of what concerns servers.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Output, SecretsDir};

/// Which fleet.
#[derive(Debug, Args)]
pub(crate) struct FleetArgs {
    /// The spec: YAML as `kubectl apply -f` takes it, with its Secrets; `-` reads standard input
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) secrets: SecretsDir,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) scope: Scope,
    /// How to print: the JSON form is one object
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: PlanOutput,
}

/// How far a plan goes.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Scope {
    /// Servers that are hardened and otherwise empty, without a cluster
    #[arg(long)]
    pub(crate) servers_only: bool,
    /// Allow that the control plane's disk is written anew; without a volume its data are lost
    #[arg(long)]
    pub(crate) rebuild_control_plane: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) scope: Scope,
    /// Where the machines come from: servers of the spec, or the cluster of --kubeconfig as it is
    #[arg(long, value_enum, default_value_t, conflicts_with = "servers_only")]
    pub(crate) provider: Provider,
    #[command(flatten)]
    pub(crate) access: Access,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// Where the machines come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Provider {
    /// Servers of the Hetzner Cloud, as the spec describes them
    #[default]
    Hetzner,
    /// The nodes of a cluster that is there already
    Existing,
}

#[derive(Debug, Args)]
pub(crate) struct Destroy {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// Delete the volumes, too, with all data on them
    #[arg(long)]
    pub(crate) volumes: bool,
    /// Take the fleet out of the cluster of --kubeconfig, whose machines stay
    #[arg(long, value_enum, default_value_t)]
    pub(crate) provider: Provider,
    #[command(flatten)]
    pub(crate) access: Access,
    /// Do not ask for the fleet's name
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// How to reach servers and their cluster.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Access {
    /// Private key for SSH; without it those of the agent and of ~/.ssh
    #[arg(short, long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// The cluster's kubeconfig; where there is none, it is fetched and kept below ~/.config/fleetctl
    #[arg(long, value_name = "FILE", env = "FLEET_KUBECONFIG")]
    pub(crate) kubeconfig: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    /// How to print the rows
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Ssh {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) access: Access,
    /// The region, or `control-plane`
    pub(crate) region: String,
    /// What to run there; without it a shell
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) access: Access,
    /// The region, or `control-plane`
    pub(crate) region: String,
    /// Go on as lines come
    #[arg(long)]
    pub(crate) follow: bool,
    /// How many of the last lines
    #[arg(short = 'n', long, default_value_t = 100)]
    pub(crate) lines: u32,
}

/// Prints where the kubeconfig is.
#[derive(Debug, Args)]
pub(crate) struct Kubeconfig {
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
    #[command(flatten)]
    pub(crate) access: Access,
}

/// How a plan is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanOutput {
    /// A table for people
    #[default]
    Table,
    /// One JSON object
    Json,
}
