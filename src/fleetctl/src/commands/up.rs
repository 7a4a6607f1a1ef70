//! `fleetctl up`: all regions of a spec on this machine, in this process.

use std::path::Path;
use std::time::Duration;

use fleet_api::Manifest;
use fleet_collector::{End, Fleet, Metrics, read_spec};
use fleet_sim::soulseek::{Options, Searchers, Server};
use fleet_telemetry::admin::Admin;
use fleet_telemetry::logging::{self, Format};
use fleet_telemetry::readiness::Readiness;
use fleet_telemetry::{register_process_metrics, shutdown};
use prometheus_client::registry::Registry;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::cli::Up;
use crate::failure::Failure;
use crate::printer;
use crate::progress::Progress;

/// The spec of `--demo`. `SERVER` stands for the address of the simulated server.
const DEMO: &str = include_str!("demo.yaml");
/// Where `--demo` keeps its data, below the data directory.
const DEMO_DIR: &str = "demo";
const DEMO_SEARCHERS: u32 = 12;
/// Searches a second; a real region sees about 30.
const DEMO_RATE: f64 = 30.0;

pub(crate) async fn run(arguments: Up) -> Result<(), Failure> {
    let Up {
        file,
        demo,
        data,
        secrets,
        listen,
        seconds,
    } = arguments;
    let progress = Progress::new();
    let level = logging::init(
        Format::Auto,
        progress.default_log_level(),
        progress.log_writer(),
    )?;
    let mut data_dir = data.data_dir;
    let demo = if demo {
        Some(Demo::start().await?)
    } else {
        None
    };
    let manifest = match (&demo, &file) {
        (Some(demo), _) => {
            data_dir.push(DEMO_DIR);
            demo.manifest()?
        }
        (None, Some(file)) => read_spec(file, secrets.secrets_dir.as_deref())?,
        // clap asks for one of the two.
        (None, None) => return Err(anyhow::anyhow!("name a FILE, or --demo").into()),
    };
    for ignored in &manifest.ignored {
        printer::note(&format!("{ignored} in the file is of no use here"));
    }

    let cancelled = shutdown::token()?;
    let mut registry = Registry::default();
    register_process_metrics(&mut registry);
    let metrics = Metrics::register(&mut registry);
    let fleet = Fleet::bind(&manifest, None, &data_dir, &metrics).await?;
    fleet.register_metrics(&mut registry);
    let readiness = Readiness::default();
    fleet.register_readiness(&readiness);
    if let Some(address) = listen {
        let admin = Admin {
            registry,
            readiness,
            level: Some(level),
        };
        admin.serve(address, cancelled.clone()).await?;
    }
    if let Some(seconds) = seconds {
        let cancelled = cancelled.clone();
        tokio::spawn(async move {
            sleep(Duration::from_secs(seconds)).await;
            cancelled.cancel();
        });
    }
    let watching = progress.watch(&fleet);
    let stopping = cancelled.clone();
    tokio::spawn(async move {
        stopping.cancelled().await;
        printer::note("stopping: what is in memory is written; Ctrl-C again ends at once");
    });
    let ends = fleet.run(&cancelled).await;
    let recorded = watching.stop().await;
    printer::note(&format!(
        "recorded {recorded} searches in {}",
        data_dir.display()
    ));
    let database = manifest.collector.spec.database.is_some();
    if let Some(next) = export(&data_dir, file.as_deref(), database).filter(|_| recorded > 0) {
        let note = match demo {
            Some(_) => " (scripted searches, not real ones)",
            None => "",
        };
        printer::note(&format!("next: {next}{note}"));
    }
    outcome(&ends?, &cancelled)
}

/// A failure where no region is left because the server refused them all.
fn outcome(ends: &[(String, End)], cancelled: &CancellationToken) -> Result<(), Failure> {
    if cancelled.is_cancelled() {
        return Ok(());
    }
    for (region, end) in ends {
        if let End::Refused(refusal) = end {
            let error = anyhow::Error::new(refusal.clone()).context(format!("region `{region}`"));
            return Err(Failure::refused(error, refusal.hint()));
        }
    }
    Err(anyhow::anyhow!("all collectors have ended").into())
}

/// The command that writes what was recorded. None where only the spec knows the database, and came from standard input:
/// nobody can read that again.
fn export(data_dir: &Path, file: Option<&Path>, database: bool) -> Option<String> {
    let file = file.filter(|file| *file != Path::new("-"));
    let file = file.map(|file| format!(" -f {}", file.display()));
    // A directory beside a database would be refused.
    if database {
        return file.map(|file| format!("fleetctl export{file}"));
    }
    let file = file.unwrap_or_default();
    Some(format!(
        "fleetctl export{file} --data-dir {}",
        data_dir.display()
    ))
}

/// A simulated network with users who search.
struct Demo {
    server: Server,
    _searchers: Searchers,
}

impl Demo {
    async fn start() -> Result<Self, Failure> {
        let options = Options {
            offer_every: Duration::from_secs(1),
            // One collector is fast enough to be the other's parent.
            speeds: [("demo-north".to_owned(), 1_000_000)].into(),
            ..Options::default()
        };
        let server = Server::start(options).await?;
        let searchers = Searchers::start(server.address(), DEMO_SEARCHERS, DEMO_RATE);
        Ok(Self {
            server,
            _searchers: searchers,
        })
    }

    fn manifest(&self) -> Result<Manifest, Failure> {
        let text = DEMO.replace("SERVER", &self.server.address().to_string());
        Ok(Manifest::parse(&text, "demo.yaml")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_to_do_next_can_be_done() {
        let next =
            |file: &str, database| export(Path::new("data"), Some(Path::new(file)), database);
        let exported = |text: &str| Some(format!("fleetctl export {text}"));
        assert_eq!(next("a.yaml", false), exported("-f a.yaml --data-dir data"));
        assert_eq!(next("-", false), exported("--data-dir data"));
        assert_eq!(next("a.yaml", true), exported("-f a.yaml"));
        assert_eq!(next("-", true), None);
        assert_eq!(
            export(Path::new("data"), None, false),
            exported("--data-dir data")
        );
    }
}
