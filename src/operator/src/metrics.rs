//! What the operator counts.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    api: &'static str,
    call: &'static str,
    outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fleet {
    namespace: String,
    name: String,
}

/// What the operator counts.
#[derive(Debug, Clone)]
pub struct Metrics {
    reconciles: Counter,
    errors: Family<Reason, Counter>,
    durations: Histogram,
    calls: Family<Outcome, Counter>,
    servers: Family<Fleet, Gauge>,
    monthly_cents: Family<Fleet, Gauge>,
    leads: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            reconciles: Counter::default(),
            errors: Family::default(),
            durations: Histogram::new(exponential_buckets(0.002, 2.0, 14)),
            calls: Family::default(),
            servers: Family::default(),
            monthly_cents: Family::default(),
            leads: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Registers the metrics under the prefix `fleet_operator`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("fleet_operator");
        let Self {
            reconciles,
            errors,
            durations,
            calls,
            servers,
            monthly_cents,
            leads,
        } = &metrics;
        registry.register("reconciles", "Looks at a fleet", reconciles.clone());
        registry.register("errors", "Looks that failed, by reason", errors.clone());
        registry.register_with_unit(
            "reconcile_duration",
            "How long a look at a fleet took",
            Unit::Seconds,
            durations.clone(),
        );
        registry.register(
            "api_calls",
            "Calls to the APIs of Kubernetes and of the provider that read or write, by outcome",
            calls.clone(),
        );
        registry.register("servers", "Servers of a fleet", servers.clone());
        registry.register(
            "monthly_cost_cents",
            "What a fleet's servers cost a month, net, in hundredths of the provider's currency",
            monthly_cents.clone(),
        );
        registry.register(
            "leads",
            "Whether this process is the one that works",
            leads.clone(),
        );
        metrics
    }

    pub(crate) fn reconciled(&self, duration: Duration) {
        self.reconciles.inc();
        self.durations.observe(duration.as_secs_f64());
    }

    pub(crate) fn failed(&self, reason: &str) {
        let reason = Reason {
            reason: reason.to_owned(),
        };
        self.errors.get_or_create(&reason).inc();
    }

    /// A call that reads or writes: the status code, or `error` where there was none.
    pub(crate) fn called(&self, api: &'static str, writes: bool, status: Option<u16>) {
        let outcome = status.map_or_else(|| "error".to_owned(), |status| status.to_string());
        let call = if writes { "write" } else { "read" };
        self.calls
            .get_or_create(&Outcome { api, call, outcome })
            .inc();
    }

    pub(crate) fn servers(&self, namespace: &str, name: &str, servers: usize, cents: i64) {
        let fleet = fleet(namespace, name);
        let count = i64::try_from(servers).unwrap_or(i64::MAX);
        self.servers.get_or_create(&fleet).set(count);
        self.monthly_cents.get_or_create(&fleet).set(cents);
    }

    pub(crate) fn forget(&self, namespace: &str, name: &str) {
        let fleet = fleet(namespace, name);
        self.servers.remove(&fleet);
        self.monthly_cents.remove(&fleet);
    }

    pub(crate) fn leads(&self, leads: bool) {
        self.leads.set(leads.into());
    }
}

fn fleet(namespace: &str, name: &str) -> Fleet {
    Fleet {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}
