//! What every look at a fleet needs.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleet_api::ResearchCollector;
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::Store;
use tokio::time::Instant;

use super::apply::Written;
use super::build::Credentials;
use super::names::OPERATOR;
use super::rates::Rates;
use super::servers::Servers;
use super::stores::Stores;
use crate::metrics::Metrics;

/// How long what was read of Secrets that never change is believed.
const BELIEVED: Duration = Duration::from_mins(10);

/// What can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The image of collectors and jobs where a spec names none.
    pub image: String,
    /// How long after a look that changed nothing a fleet is looked at again.
    pub resync: Duration,
}

/// What every look at a fleet needs.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What is watched.
    pub stores: Stores,
    /// All fleets.
    pub fleets: Store<ResearchCollector>,
    /// What was written.
    pub written: Written,
    /// What collectors record.
    pub rates: Arc<Rates>,
    /// Servers.
    pub servers: Servers,
    /// What is counted.
    pub metrics: Metrics,
    /// What can be set.
    pub settings: Settings,
    /// Tells people.
    pub recorder: Recorder,
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
    pub fn new(
        client: Client,
        stores: Stores,
        fleets: Store<ResearchCollector>,
        rates: Arc<Rates>,
        servers: Servers,
        metrics: Metrics,
        settings: Settings,
    ) -> Self {
        let reporter = Reporter {
            controller: OPERATOR.to_owned(),
            instance: std::env::var("HOSTNAME").ok(),
        };
        Self {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            stores,
            fleets,
            written: Written::default(),
            rates,
            servers,
            metrics,
            settings,
            credentials: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// The passwords of a fleet, if they were read lately.
    pub fn known_credentials(&self, uid: &str) -> Option<Credentials> {
        let known = self.credentials.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, credentials) = known.get(uid)?;
        (since.elapsed() < BELIEVED).then(|| credentials.clone())
    }

    /// Keeps what was read.
    pub fn know_credentials(&self, uid: &str, credentials: Credentials) {
        let mut known = self.credentials.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(uid.to_owned(), (Instant::now(), credentials));
    }

    /// One more failure in a row; how many there were before.
    pub fn failed(&self, uid: &str) -> u32 {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(uid.to_owned()).or_default();
        *count += 1;
        *count - 1
    }

    /// It went well.
    pub fn succeeded(&self, uid: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(uid);
    }

    /// Forgets a fleet that is gone.
    pub fn forget(&self, namespace: &str, name: &str, uid: &str) {
        self.succeeded(uid);
        self.written.forget(namespace, name);
        self.rates.forget(namespace, name);
        let mut known = self.credentials.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(uid);
    }
}
