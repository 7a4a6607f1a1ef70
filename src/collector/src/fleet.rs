//! All collectors of a spec that run in this process, and the one spool that they share.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_api::names::CANARY_CLIENT;
use fleet_api::{
    Credentials, Duplicates, Manifest, Region, ResearchCollectorSpec, SecretError, UsernameScheme,
};
use fleet_soulseek::session::{self, ListenError, Timing};
use fleet_store::postgres::{Database, PostgresError};
use fleet_store::{
    KeyError, Pseudonymizer, Scheme, ShipOptions, ShipStatus, Shipper, Spool, SpoolOptions,
    SpoolStatus, StoreError,
};
use fleet_telemetry::readiness::Readiness;
use prometheus_client::registry::Registry;
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::canary::{Canary, CanaryState};
use crate::key;
use crate::metrics::{ShipMetrics, SpoolMetrics};
use crate::{Collector, End, Metrics, State};

/// What users who ask us who we are hear.
const DESCRIPTION: &str = "This is a measurement node of a research project. It records search requests under \
                           pseudonyms, never names. It shares no files and downloads none.";
/// What users who ask the canary who it is hear.
const CANARY_DESCRIPTION: &str = "This account belongs to a research project. It sends a few random searches an \
                                  hour, to measure what share of searches arrives where. It shares no files and \
                                  downloads none.";
/// As many as the official rules would ever give a fast node.
const MAX_CHILDREN: usize = 10;

const HOUR: Duration = Duration::from_hours(1);
/// A region that has recorded nothing for this long is not ready.
const QUIET: Duration = Duration::from_mins(5);

/// After a signal, collectors that cannot hand over what they hold are waited for this long.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// The collectors could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A Secret is not as it should be.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The key for pseudonyms cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key file cannot be read or made.
    #[error("cannot read or make the key file {}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The spool cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database's address cannot be read.
    #[error(transparent)]
    Database(#[from] PostgresError),
    /// A port cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The spec has no such region.
    #[error("the spec has no region `{0}`")]
    NoRegion(String),
}

impl StartError {
    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Secret(error) => Some(error.hint()),
            Self::Key(error) => error.hint(),
            Self::KeyFile { .. } => {
                Some("make the data directory writable, or name another".to_owned())
            }
            Self::Store(error) => error.hint(),
            Self::Database(error) => error.hint(),
            Self::Listen(_) => Some("choose other ports under `listen` of the region".to_owned()),
            Self::NoRegion(_) => Some("see `spec.regions[].name`".to_owned()),
        }
    }
}

/// A region that runs here.
#[derive(Debug)]
pub struct RunningRegion {
    /// Its name.
    pub client_id: String,
    /// What it is doing.
    pub state: watch::Receiver<State>,
}

/// What can be tuned beside the spec, for tests.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The canary sends one search in each span of this length, instead of `spec.canary.perHour` an hour.
    pub canary_every: Option<Duration>,
}

/// The collectors of this process.
#[derive(Debug)]
pub struct Fleet {
    collectors: Vec<(String, Collector)>,
    /// Only beside the first region of the spec, so that exactly one process sends.
    canary: Option<Canary>,
    spool: Spool,
    /// Where the spec names a database; else the spool is the database.
    shipper: Option<Shipper>,
}

impl Fleet {
    /// Opens the spool and the ports of the spec's regions, or of the one that is named. Nobody is
    /// connected to yet, so that a program that cannot start does not log in and out again. The canary runs
    /// beside the spec's first region.
    pub async fn bind(
        manifest: &Manifest,
        only: Option<&str>,
        data_dir: &Path,
        metrics: &Metrics,
    ) -> Result<Self, StartError> {
        Self::bind_with(manifest, only, data_dir, metrics, &Options::default()).await
    }

    /// As [`Fleet::bind`], with options.
    pub async fn bind_with(
        manifest: &Manifest,
        only: Option<&str>,
        data_dir: &Path,
        metrics: &Metrics,
        options: &Options,
    ) -> Result<Self, StartError> {
        let accounts = manifest.accounts(only)?;
        if let (Some(only), true) = (only, accounts.is_empty()) {
            return Err(StartError::NoRegion(only.to_owned()));
        }
        let spec = &manifest.collector.spec;
        let canary_name = manifest.canary_username()?;
        let first = spec.regions.first().map(|region| region.name.as_str());
        let canary_account = if only.is_none() || only == first {
            manifest.canary_account()?
        } else {
            None
        };
        let database = manifest.database_url()?;
        let database = database.map(|url| Database::parse(&url)).transpose()?;
        let key = privacy_key(manifest, data_dir)?;
        let scheme = scheme(spec.privacy.username);
        // Fails before anything is written where the key cannot be used.
        Pseudonymizer::new(scheme, &key)?;
        let spool = Spool::open(data_dir, SpoolOptions::default()).await?;

        let mut collectors = Vec::new();
        for (region, account) in accounts {
            let Region {
                name,
                listen,
                credentials_secret_ref: _,
                location: _,
                server_types: _,
                node_selector: _,
                resources: _,
                spool: _,
            } = region;
            let config = session::Config {
                listen_port: port(listen.port).unwrap_or_default(),
                obfuscated_port: port(listen.obfuscated_port),
                ..config(spec, account)
            };
            let collector = Collector::bind(
                name,
                config,
                spool.client(name).await?,
                Pseudonymizer::new(scheme, &key)?,
                spec.soulseek.duplicates == Duplicates::Drop,
                canary_name.clone(),
                metrics,
            )
            .await?;
            collectors.push((name.clone(), collector));
        }
        let canary = match (&spec.canary, canary_account) {
            (Some(canary), Some(account)) => {
                let per_hour = u32::try_from(canary.per_hour).unwrap_or_default().max(1);
                let every = options.canary_every.unwrap_or(HOUR / per_hour);
                let config = session::Config {
                    description: CANARY_DESCRIPTION.to_owned(),
                    distributed: false,
                    ..config(spec, account)
                };
                let client = spool.client(CANARY_CLIENT).await?;
                let sent = metrics.canaries_sent.clone();
                Some(Canary::bind(config, every, client, sent).await?)
            }
            _ => None,
        };
        let shipper =
            database.map(|database| Shipper::new(data_dir, database, ShipOptions::default()));
        Ok(Self {
            collectors,
            canary,
            spool,
            shipper,
        })
    }

    /// How shipping to the database is doing, where the spec names one.
    pub fn shipping(&self) -> Option<watch::Receiver<ShipStatus>> {
        self.shipper.as_ref().map(Shipper::status)
    }

    /// How the canary is doing, where one runs here.
    pub fn canary(&self) -> Option<watch::Receiver<CanaryState>> {
        self.canary.as_ref().map(Canary::state)
    }

    /// The regions, for those who watch them.
    pub fn regions(&self) -> Vec<RunningRegion> {
        let region = |(name, collector): &(String, Collector)| RunningRegion {
            client_id: name.clone(),
            state: collector.state(),
        };
        self.collectors.iter().map(region).collect()
    }

    /// How the spool is doing.
    pub fn spool_status(&self) -> watch::Receiver<SpoolStatus> {
        self.spool.status()
    }

    /// The spool's file.
    pub fn spool_path(&self) -> PathBuf {
        self.spool.path().to_owned()
    }

    /// Registers the spool's metrics.
    pub fn register_metrics(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(SpoolMetrics(self.spool.status())));
        if let Some(shipping) = self.shipping() {
            registry.register_collector(Box::new(ShipMetrics(shipping)));
        }
    }

    /// Makes readiness depend on the spool and on every region.
    pub fn register_readiness(&self, readiness: &Readiness) {
        let spool = self.spool.status();
        readiness.add("spool", move || spool.borrow().stalled.clone());
        for region in self.regions() {
            let RunningRegion { client_id, state } = region;
            readiness.add(&client_id, move || {
                state.borrow().not_ready(Instant::now(), QUIET)
            });
        }
    }

    /// Records until every region has ended or the token is cancelled, writes everything that is still in
    /// memory, and ships what the database takes within some seconds. A disk that takes nothing holds up the end for a while, and not for ever.
    pub async fn run(
        self,
        cancelled: &CancellationToken,
    ) -> Result<Vec<(String, End)>, StoreError> {
        let Self {
            collectors,
            canary,
            spool,
            shipper,
        } = self;
        // The database is not part of readiness: what it does not take waits in the spool.
        let ship_stop = CancellationToken::new();
        let shipping =
            shipper.map(|shipper| tokio::spawn(shipper.run(spool.status(), ship_stop.clone())));
        let mut tasks = JoinSet::new();
        for (name, collector) in collectors {
            let cancelled = cancelled.clone();
            tasks.spawn(async move { (name, collector.run(cancelled).await) });
        }
        // The canary goes when the last region has gone, and is not waited for without them.
        let canary_stop = cancelled.child_token();
        let mut canary_task = JoinSet::new();
        if let Some(canary) = canary {
            canary_task.spawn(canary.run(canary_stop.clone()));
        }
        let mut ends = Vec::new();
        let all_ended = async {
            while let Some(end) = tasks.join_next().await {
                ends.extend(expected(end));
            }
            canary_stop.cancel();
            while canary_task.join_next().await.is_some() {}
        };
        let patience = async {
            cancelled.cancelled().await;
            sleep(STOP_PATIENCE).await;
        };
        tokio::select! {
            () = all_ended => {}
            () = patience => {}
        }
        let closed = spool.close().await;
        // Those that waited for the spool have an answer now.
        while let Some(end) = tasks.join_next().await {
            ends.extend(expected(end));
        }
        while canary_task.join_next().await.is_some() {}
        ship_stop.cancel();
        if let Some(shipping) = shipping {
            let ended = shipping.await;
            let _ = ended.inspect_err(|error| warn!(%error, "shipping ended unexpectedly"));
        }
        closed.map(|()| ends)
    }
}

/// A task of ours that panicked has no end to tell. What it had accepted is in the spool.
fn expected(end: Result<(String, End), JoinError>) -> Option<(String, End)> {
    end.inspect_err(|error| warn!(%error, "a collector ended unexpectedly"))
        .ok()
}

/// The key of the spec's Secret, or the one in the data directory.
fn privacy_key(manifest: &Manifest, data_dir: &Path) -> Result<SecretString, StartError> {
    if let Some(key) = manifest.privacy_key()? {
        return Ok(key);
    }
    let path = data_dir.join(key::KEY_FILE);
    let (key, made) = key::read_or_make(data_dir).map_err(|source| StartError::KeyFile {
        path: path.clone(),
        source,
    })?;
    if made {
        warn!(path = %path.display(), "made a key for pseudonyms: keep it as long as the data");
    }
    Ok(key)
}

/// The scheme by its name in the spec.
pub fn scheme(scheme: UsernameScheme) -> Scheme {
    match scheme {
        UsernameScheme::Siv => Scheme::Siv,
        UsernameScheme::Fernet => Scheme::Fernet,
        UsernameScheme::Hmac => Scheme::Hmac,
    }
}

/// What all accounts of a spec have in common; the system chooses the port.
fn config(spec: &ResearchCollectorSpec, account: Credentials) -> session::Config {
    let Credentials { username, password } = account;
    session::Config {
        server: spec.soulseek.server.clone(),
        username,
        password,
        client_version: u32::try_from(spec.soulseek.client_version).unwrap_or_default(),
        listen_port: 0,
        obfuscated_port: None,
        description: DESCRIPTION.to_owned(),
        distributed: true,
        max_children: MAX_CHILDREN,
        timing: Timing::default(),
    }
}

fn port(port: i32) -> Option<u16> {
    u16::try_from(port).ok().filter(|&port| port != 0)
}
