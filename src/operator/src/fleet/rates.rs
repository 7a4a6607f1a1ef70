//! What collectors record: their metrics are read from time to time, as anybody may who reaches their port.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fleet_api::ResearchCollector;
use fleet_api::names::REGION_LABEL;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::runtime::reflector::{ObjectRef, Store};
use tokio::time::{Instant, interval};

use super::build::METRICS_PORT;
use super::found::fleet_of;
use super::names::Component;
use super::stores::Calls;

const EVERY: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(3);
/// A thousand regions are asked within half a minute.
const AT_A_TIME: usize = 32;
const SEARCHES: &str = "fleet_searches_total";

/// What one region records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rate {
    /// Searches a second, with two digits.
    pub(crate) per_second: Option<String>,
    /// When it last recorded something, to the minute.
    pub(crate) last_record: Option<String>,
}

#[derive(Debug)]
struct Sample {
    searches: u64,
    at: Instant,
    shown: Rate,
}

/// What all regions record.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<(String, String, String), Sample>>);

impl Rates {
    /// What a region records.
    pub(crate) fn of(&self, namespace: &str, fleet: &str, region: &str) -> Rate {
        let key = (namespace.to_owned(), fleet.to_owned(), region.to_owned());
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples
            .get(&key)
            .map(|sample| sample.shown.clone())
            .unwrap_or_default()
    }

    /// Forgets a fleet that is gone.
    pub(crate) fn forget(&self, namespace: &str, fleet: &str) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.retain(|(of, name, _), _| of != namespace || name != fleet);
    }

    /// Reads on and on, and calls for a fleet whose figures have changed.
    pub(crate) async fn watch(&self, pods: Store<Pod>, calls: Calls) {
        let Ok(client) = reqwest::Client::builder()
            .timeout(PATIENCE)
            .no_proxy()
            .build()
        else {
            tracing::error!("cannot make a client for the metrics of collectors");
            return;
        };
        let mut every = interval(EVERY);
        loop {
            every.tick().await;
            let pods = pods.state().into_iter().filter(|pod| is_collector(pod));
            let asked = pods.map(|pod| {
                let client = client.clone();
                async move { Some((key(&pod)?, searches(&client, &pod).await?)) }
            });
            let answers = futures_util::stream::iter(asked).buffer_unordered(AT_A_TIME);
            let answers: Vec<_> = answers.filter_map(std::future::ready).collect().await;
            for (key, searches) in answers {
                let reference = ObjectRef::<ResearchCollector>::new(&key.1).within(&key.0);
                if self.note(key, searches) {
                    let _ = calls.send(reference);
                }
            }
        }
    }

    /// Whether what is shown has changed.
    fn note(&self, key: (String, String, String), searches: u64) -> bool {
        let now = Instant::now();
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = samples.get(&key);
        let shown = shown(before, searches, now);
        let changed = before.is_none_or(|before| before.shown != shown);
        let sample = Sample {
            searches,
            at: now,
            shown,
        };
        samples.insert(key, sample);
        changed
    }
}

fn shown(before: Option<&Sample>, searches: u64, now: Instant) -> Rate {
    let Some(before) = before else {
        return Rate::default();
    };
    // A collector that has started again counts from nothing.
    let new = searches.checked_sub(before.searches).unwrap_or(searches);
    let seconds = now.duration_since(before.at).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let per_second = new as f64 / seconds.max(0.001);
    let last = if new > 0 {
        Some(Timestamp::now().strftime("%Y-%m-%dT%H:%M:00Z").to_string())
    } else {
        before.shown.last_record.clone()
    };
    Rate {
        per_second: Some(two_digits(per_second)),
        last_record: last,
    }
}

/// So that a figure moves only when it means something.
pub(super) fn two_digits(value: f64) -> String {
    if value < 0.05 {
        return "0".to_owned();
    }
    let step = 10.0_f64.powf(value.log10().floor() - 1.0);
    let rounded = (value / step).round() * step;
    if rounded < 9.95 {
        format!("{rounded:.1}")
    } else {
        format!("{rounded:.0}")
    }
}

fn is_collector(pod: &Pod) -> bool {
    Component::Collector.is_of(pod) && pod.metadata.deletion_timestamp.is_none()
}

fn key(pod: &Pod) -> Option<(String, String, String)> {
    let region = pod.labels().get(REGION_LABEL)?.clone();
    Some((pod.namespace()?, fleet_of(pod)?.to_owned(), region))
}

/// How many searches a collector has taken since it started.
async fn searches(client: &reqwest::Client, pod: &Pod) -> Option<u64> {
    let address = pod.status.as_ref()?.pod_ip.as_ref()?;
    let host = if address.contains(':') {
        format!("[{address}]")
    } else {
        address.clone()
    };
    let url = format!("http://{host}:{METRICS_PORT}/metrics");
    let text = client
        .get(url)
        .send()
        .await
        .ok()?
        .error_for_status()
        .ok()?
        .text()
        .await
        .ok()?;
    let lines = text.lines().filter(|line| line.starts_with(SEARCHES));
    let values: Vec<u64> = lines
        .filter_map(|line| line.rsplit_once(' ')?.1.parse().ok())
        .collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_two_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.04, "0"),
            (0.26, "0.3"),
            (3.16, "3.2"),
            (9.97, "10"),
            (26.4, "26"),
            (1234.0, "1200"),
        ] {
            assert_eq!(two_digits(value), text, "{value}");
        }
    }

    #[test]
    fn a_collector_that_starts_again_counts_from_nothing() {
        let at = Instant::now();
        let before = Sample {
            searches: 1000,
            at,
            shown: Rate::default(),
        };
        let rate = shown(Some(&before), 60, at + Duration::from_secs(30));
        assert_eq!(rate.per_second.as_deref(), Some("2.0"));
        assert!(rate.last_record.is_some());
        let silent = shown(Some(&before), 1000, at + Duration::from_secs(30));
        assert_eq!(silent.per_second.as_deref(), Some("0"));
        assert_eq!(silent.last_record, None);
    }
}
