//! `fleetctl monitor`: a fleet while it records, as a screen that changes or as one snapshot.

mod app;
mod history;
mod keys;
mod live;
mod once;
mod snapshot;
mod sources;
mod state;
mod view;

use anyhow::anyhow;
use fleet_api::Manifest;
use fleet_store::{DATABASE_FILE, Place};
use jiff::Timestamp;

use self::snapshot::Origin;
use self::sources::Source;
use self::sources::archives::ArchiveSource;
use self::sources::hetzner::HetznerSource;
use self::sources::metrics::MetricsSource;
use self::sources::pods::PodSource;
use self::state::State;
use crate::cli::monitor::Monitor;
use crate::failure::Failure;

/// The environment variable with the kubeconfig, as all tools for Kubernetes read it.
const KUBECONFIG: &str = "KUBECONFIG";

pub(crate) async fn run(arguments: Monitor) -> Result<(), Failure> {
    let once = arguments.once;
    let output = arguments.output;
    let interval = arguments.interval;
    let (manifest, sources) = sources(arguments).await?;
    if sources.is_empty() {
        let error = anyhow!("there is nothing to watch");
        let hint = "name a spec with -f, or the address of a collector that `fleetctl up --listen 127.0.0.1:9090` \
                    runs: --metrics http://127.0.0.1:9090";
        return Err(Failure::wrong_command_line(error, hint));
    }
    let mut watched: Vec<Origin> = sources.iter().map(Source::origin).collect();
    watched.dedup();
    let state = State::new(manifest.as_ref(), watched, interval);
    if once {
        once::run(state, sources, output).await
    } else {
        live::run(state, sources).await
    }
}

/// Everything that can be asked, with the spec if there is one.
async fn sources(arguments: Monitor) -> Result<(Option<Manifest>, Vec<Source>), Failure> {
    let Monitor {
        place,
        metrics,
        kubeconfig,
        interval,
        once: _,
        output: _,
    } = arguments;
    let named_dir = place.data_dir.is_some();
    let (manifest, place) = place.read()?;
    let mut sources = Vec::new();
    for url in metrics {
        sources.push(Source::Metrics(MetricsSource::new(url)?, interval));
    }
    if let Some(manifest) = &manifest {
        // The same spec records without servers, too, and without a token for them.
        sources.extend(match HetznerSource::of(manifest) {
            Ok(source) => source.map(Source::Servers),
            Err(failure) => {
                let hint = failure.hint().unwrap_or_default();
                let reason = format!("{}: {hint}", failure.text());
                Some(Source::Unusable(Origin::Servers, reason))
            }
        });
        let has_cluster = kubeconfig.is_some() || std::env::var_os(KUBECONFIG).is_some();
        if has_cluster {
            let pods = PodSource::of(manifest, kubeconfig.as_deref()).await?;
            sources.push(Source::Pods(pods));
        }
    }
    // Nobody has to have a local store; a directory that was named should be one.
    let has_records = match &place {
        Place::Database(_) => true,
        Place::Spool(dir) => named_dir || dir.join(DATABASE_FILE).exists(),
    };
    if has_records {
        sources.push(Source::Archives(ArchiveSource { place }));
    }
    Ok((manifest, sources))
}

/// The time to the second, which is what people and programs want to read.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
