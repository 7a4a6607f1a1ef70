//! What every look at a fleet needs.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleet_api::{ResearchCollector, ResearchCollectorStatus};
use kube::runtime::events::Recorder;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, ResourceExt as _};
use tokio::time::Instant;

use super::apply::Written;
use super::build::Credentials;
use super::rates::Rates;
use super::servers::Servers;
use super::stores::Stores;
use crate::metrics::Metrics;

/// How long what was read of Secrets that never change is believed.
const BELIEVED: Duration = Duration::from_mins(10);

/// What this process has told about fleets, by their uid. What is watched may be older than that.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<HashMap<String, ResearchCollectorStatus>>);

impl Told {
    /// Whether this is what was told last, or nothing was.
    pub(crate) fn agrees(&self, uid: &str, status: &ResearchCollectorStatus) -> bool {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(uid).is_none_or(|told| told == status)
    }

    /// A predicate for what is watched: it changes with the spec, and whenever a status is seen that is not what was
    /// told. What the operator writes itself is no reason to look again; what was seen late may have been one not to
    /// write.
    pub(crate) fn changes(&self, fleet: &ResearchCollector) -> u64 {
        let mut hasher = DefaultHasher::new();
        fleet.metadata.generation.hash(&mut hasher);
        let status = fleet.status.clone().unwrap_or_default();
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.get(&fleet.uid().unwrap_or_default()) != Some(&status) {
            fleet.resource_version().hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Keeps what is told.
    pub(crate) fn keep(&self, uid: &str, status: ResearchCollectorStatus) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(uid.to_owned(), status);
    }

    fn forget(&self, uid: &str) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.remove(uid);
    }
}

/// What can be set.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The image of collectors and jobs where a spec names none.
    pub(crate) image: String,
    /// How long after a look that changed nothing a fleet is looked at again.
    pub(crate) resync: Duration,
}

/// What every look at a fleet needs.
pub(crate) struct Context {
    /// The API server.
    pub(crate) client: Client,
    /// What is watched.
    pub(crate) stores: Stores,
    /// All fleets.
    pub(crate) fleets: Store<ResearchCollector>,
    /// What was told.
    pub(crate) told: Arc<Told>,
    /// What was written.
    pub(crate) written: Written,
    /// What collectors record.
    pub(crate) rates: Arc<Rates>,
    /// Servers.
    pub(crate) servers: Servers,
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// What can be set.
    pub(crate) settings: Settings,
    /// Tells people.
    pub(crate) recorder: Recorder,
    credentials: Mutex<HashMap<String, (Instant, Credentials)>>,
    failures: Mutex<HashMap<String, u32>>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl Context {
    /// With nothing in memory.
    #[expect(clippy::too_many_arguments, reason = "it is put together in one place")]
    pub(crate) fn new(
        client: Client,
        stores: Stores,
        fleets: Store<ResearchCollector>,
        told: Arc<Told>,
        rates: Arc<Rates>,
        servers: Servers,
        metrics: Metrics,
        settings: Settings,
        recorder: Recorder,
    ) -> Self {
        Self {
            recorder,
            client,
            stores,
            fleets,
            told,
            written: Written::default(),
            rates,
            servers,
            metrics,
            settings,
            credentials: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// The fleets that a call is for. A node has no namespace: it calls for all fleets of the name on its label, and is a
    /// reason to look at their servers.
    pub(crate) fn called(
        &self,
        call: ObjectRef<ResearchCollector>,
    ) -> Vec<ObjectRef<ResearchCollector>> {
        if call.namespace.is_some() {
            return vec![call];
        }
        let fleets = self.fleets.state().into_iter();
        let fleets = fleets.filter(|fleet| fleet.name_any() == call.name);
        fleets
            .map(|fleet| {
                self.servers.look(&fleet.uid().unwrap_or_default());
                ObjectRef::from_obj(&*fleet)
            })
            .collect()
    }

    /// The passwords of a fleet, if they were read lately.
    pub(crate) fn known_credentials(&self, uid: &str) -> Option<Credentials> {
        let known = self
            .credentials
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (since, credentials) = known.get(uid)?;
        (since.elapsed() < BELIEVED).then(|| credentials.clone())
    }

    /// Keeps what was read.
    pub(crate) fn know_credentials(&self, uid: &str, credentials: Credentials) {
        let mut known = self
            .credentials
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.insert(uid.to_owned(), (Instant::now(), credentials));
    }

    /// One more failure in a row; how many there were before.
    pub(crate) fn failed(&self, uid: &str) -> u32 {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(uid.to_owned()).or_default();
        *count += 1;
        *count - 1
    }

    /// It went well.
    pub(crate) fn succeeded(&self, uid: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(uid);
    }

    /// Forgets a fleet that is gone.
    pub(crate) fn forget(&self, namespace: &str, name: &str, uid: &str) {
        self.succeeded(uid);
        self.told.forget(uid);
        self.written.forget(namespace, name);
        self.rates.forget(namespace, name);
        let mut known = self
            .credentials
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.remove(uid);
    }
}
