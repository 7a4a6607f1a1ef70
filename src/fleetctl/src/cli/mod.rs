//! The command line. Only types: what they do stands in `commands`.

pub(crate) mod archive;
pub(crate) mod cloud;
pub(crate) mod init;
pub(crate) mod monitor;
pub(crate) mod validate;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use self::archive::ArchiveCommand;
use self::init::Init;
use self::monitor::Monitor;
use self::validate::Validate;
use crate::place::PlaceArgs;

/// The environment variable for `--data-dir`.
pub(crate) const DATA_DIR_VARIABLE: &str = "FLEET_DATA_DIR";
/// Its default.
pub(crate) const DATA_DIR: &str = "fleet-data";

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  something unexpected
  2  `plan` found something to do
  3  the file or a Secret in it is wrong
  4  the network or the provider refuses the account or token; a person has to act
  5  the store, or the place for archives, cannot be read or written
  6  an archive is not what it should be
  7  the provider cannot give, or does not do, what is wanted
  64 the command line is wrong
  130 interrupted; run it again to carry on

Logs go to standard error; FLEET_LOG sets their level (info, debug, fleet_soulseek=debug).";

/// Measurement of peer-to-peer networks: record, export, query.
#[derive(Debug, Parser)]
#[command(name = "fleetctl", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write the spec of a study: asks a few questions
    Init(Init),
    /// Look whether specs are right, without doing anything with them
    Validate(Validate),
    /// Record on this machine what the spec describes, until Ctrl-C
    Up(Up),
    /// Show what `deploy` would do, where, of which type, and what it costs
    Plan(cloud::Plan),
    /// Make the servers of a spec and bring the fleet up; may be cut off and run again
    Deploy(cloud::Deploy),
    /// Delete a fleet's servers and all that belongs to them, but not its volumes
    Destroy(cloud::Destroy),
    /// Show the servers of a fleet
    Status(cloud::Status),
    /// Show what a fleet costs a month as it is now
    Cost(cloud::Status),
    /// Look at everything that a deployment needs, and say what is wrong with it
    Doctor(cloud::Status),
    /// Log in to a server, or run a command there
    Ssh(cloud::Ssh),
    /// Fetch the kubeconfig from the control plane, and print where it is kept
    Kubeconfig(cloud::Kubeconfig),
    /// Show the journal of a server
    Logs(cloud::Logs),
    /// Watch a fleet while it records: regions, servers, pods, archives
    Monitor(Monitor),
    /// Write what was recorded
    Export(Export),
    /// Read what was recorded with SQL: the tables are `searches` and `events`
    Query(Query),
    /// Figures of a range of days: searches, users, overlap of regions, gaps, canaries
    Report(Report),
    /// Months that are over, in files that everybody can read
    #[command(subcommand)]
    Archive(ArchiveCommand),
    /// Turn pseudonyms back into names with the key (not possible with hmac)
    Reveal(Reveal),
    /// Print the Kubernetes resource definition
    Crd,
    /// Print completions for a shell
    Completion {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual pages, or write one for each subcommand
    Man {
        /// Directory for the pages
        #[arg(value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// Where the data are.
#[derive(Debug, Args)]
pub(crate) struct DataDir {
    /// Directory of the local store
    #[arg(long, value_name = "DIR", env = DATA_DIR_VARIABLE, default_value = DATA_DIR)]
    pub(crate) data_dir: PathBuf,
}

/// Where Secrets are that do not stand in the file.
#[derive(Debug, Args)]
pub(crate) struct SecretsDir {
    /// Directory with Secrets as Kubernetes mounts them: DIR/<secret>/<key>
    #[arg(long, value_name = "DIR")]
    pub(crate) secrets_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// The spec: YAML as `kubectl apply -f` takes it, with its Secrets; `-` reads standard input
    #[arg(
        value_name = "FILE",
        required_unless_present = "demo",
        conflicts_with = "demo"
    )]
    pub(crate) file: Option<PathBuf>,
    /// Record scripted users on a simulated server: no account and no network needed
    #[arg(long)]
    pub(crate) demo: bool,
    #[command(flatten)]
    pub(crate) data: DataDir,
    #[command(flatten)]
    pub(crate) secrets: SecretsDir,
    /// Address for /metrics, /healthz and /readyz, for example 127.0.0.1:9090
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Stop after this many seconds
    #[arg(long = "for", value_name = "SECONDS")]
    pub(crate) seconds: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// csv, jsonl or parquet
    #[arg(long, default_value = "jsonl")]
    pub(crate) format: fleet_store::Format,
    /// Only records received at this time or later: 2026-11-21, or 2026-11-21T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) since: Option<jiff::Timestamp>,
    /// Only records received before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) until: Option<jiff::Timestamp>,
    /// File to write instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Query {
    /// One SELECT, for example "SELECT query, count(*) FROM searches GROUP BY 1"
    pub(crate) sql: String,
    #[command(flatten)]
    pub(crate) data: DataDir,
    /// How to print the rows
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// The first day in UTC, for example 2026-11-01; by default 29 days before the last one
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    pub(crate) from: Option<jiff::civil::Date>,
    /// The last day; by default yesterday, or today if there is a --from
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    pub(crate) to: Option<jiff::civil::Date>,
    /// Show a query only if at least this many users typed it
    #[arg(long, value_name = "USERS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(2..))]
    pub(crate) min_users: u64,
    /// How to print: the JSON form is one object, CSV has a row for each client on each day
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
    /// Write a page for a browser, besides: one file with everything in it
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Reveal {
    /// The spec with the key
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataDir,
    #[command(flatten)]
    pub(crate) secrets: SecretsDir,
    /// Pseudonyms; without any, one a line is read from standard input
    pub(crate) pseudonyms: Vec<String>,
    /// How to print the names
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// How rows are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Columns for people
    #[default]
    Table,
    /// A JSON object a line
    Json,
    /// Comma-separated, with a header
    Csv,
}

fn parse_day(text: &str) -> Result<jiff::civil::Date, String> {
    text.parse()
        .map_err(|_| "write a day like 2026-11-21".to_owned())
}

/// A moment, or the beginning of a day in UTC.
fn parse_time(text: &str) -> Result<jiff::Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let day: jiff::civil::Date = text.parse().map_err(|_| {
        "write a day like 2026-11-21, or a time like 2026-11-21T08:00:00Z".to_owned()
    })?;
    day.to_zoned(jiff::tz::TimeZone::UTC)
        .map(|zoned| zoned.timestamp())
        .map_err(|error| error.to_string())
}
