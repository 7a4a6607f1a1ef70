//! A Kubernetes control plane on loopback that goes on in the background: etcd, kube-apiserver and
//! kube-controller-manager, the real programs. There are no nodes, so no pod ever runs.

use std::{
    io::{Write as _, stdout},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Result;
use clap::{Parser, Subcommand};
use fleet_tests::control_plane::{self, Up};

#[derive(Parser)]
#[command(about = "A Kubernetes control plane on loopback, without nodes")]
struct Arguments {
    /// Where its files are [default: `control-plane` in the target directory]
    #[arg(long, global = true)]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Starts it, unless it runs, and waits until it is ready
    Up,
    /// Ends it, and waits until it has ended
    Down,
    /// Says which programs run; fails unless all do
    Status,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let dir = match arguments.dir {
        Some(dir) => dir,
        None => control_plane::usual_dir()?,
    };
    let mut out = stdout();
    match arguments.verb {
        Verb::Up => {
            let what = match control_plane::up(&dir).await? {
                Up::Started => "The control plane is ready.",
                Up::Running => "The control plane runs already.",
            };
            let kubeconfig = control_plane::kubeconfig(&dir.canonicalize()?);
            writeln!(out, "{what} Next:")?;
            writeln!(out, "  export KUBECONFIG={}", kubeconfig.display())?;
        }
        Verb::Down => {
            let ended = control_plane::down(&dir).await?;
            if ended.is_empty() {
                writeln!(out, "No control plane runs.")?;
            } else {
                writeln!(out, "The control plane has ended.")?;
            }
        }
        Verb::Status => {
            let programs = control_plane::status(&dir);
            for (name, id) in &programs {
                let id = id.map_or_else(|| "does not run".to_owned(), |id| format!("runs as {id}"));
                writeln!(out, "{name} {id}")?;
            }
            if programs.iter().any(|(_, id)| id.is_none()) {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
