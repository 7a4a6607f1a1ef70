//! Canaries: searches that the fleet itself sends, to learn what share of the network's searches a region hears, and
//! how late.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::journal::{Coverage, JournalEvent};
use crate::Row;

/// The kind of the journal's entry for a canary that was sent. Its detail is `{"token": …, "query": …}`.
const SENT: &str = "canary sent";

/// A canary that a region heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanarySeen {
    /// The region.
    pub client_id: String,
    /// The canary's token.
    pub token: u32,
    /// The canary's query.
    pub query: String,
    /// When it was received, in microseconds since 1970-01-01T00:00:00Z.
    pub at: i64,
}

impl CanarySeen {
    pub(crate) fn of(row: &Row) -> Self {
        Self {
            client_id: row.client_id.to_string(),
            token: row.token,
            query: row.query.clone(),
            at: row.received_at,
        }
    }
}

/// What became of the canaries of a range.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryFigures {
    /// How many were sent.
    pub sent: u64,
    /// Heard, but not in the journal as sent.
    pub unknown: u64,
    /// Each region.
    pub regions: Vec<CanaryRegion>,
}

/// How well one region hears.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryRegion {
    /// The region.
    pub client_id: String,
    /// Canaries sent since this region began to record.
    pub sent: u64,
    /// Those of them that it heard.
    pub heard: u64,
    /// Those that were sent while it was not collecting, which it could not hear.
    pub sent_in_gaps: u64,
    /// From sending to the first reception, in milliseconds; negative where the clocks of the two machines differ.
    pub delay_min_ms: Option<i64>,
    /// Half of them came earlier.
    pub delay_median_ms: Option<i64>,
    /// 95 of 100 came earlier.
    pub delay_p95_ms: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Sent {
    token: u32,
    query: String,
}

/// Puts what was sent and what was heard together. A region hears a canary once, however many copies come.
pub(crate) fn figures(
    events: &[JournalEvent],
    seen: &[CanarySeen],
    coverage: &[Coverage],
    from: Timestamp,
    to: Timestamp,
) -> CanaryFigures {
    let mut sent: Vec<Timestamp> = Vec::new();
    let mut by_text: HashMap<(u32, String), Vec<usize>> = HashMap::new();
    for event in events.iter().filter(|event| event.kind == SENT) {
        // A detail that cannot be read is no canary that anybody could recognise.
        let Ok(Sent { token, query }) = serde_json::from_str(&event.detail) else {
            continue;
        };
        // One that was sent just before the range can be heard in it, and then is not unknown.
        by_text.entry((token, query)).or_default().push(sent.len());
        sent.push(event.at);
    }
    let mut unknown = 0;
    // The earliest reception of each canary, by region.
    let mut heard: HashMap<&str, HashMap<usize, i64>> = HashMap::new();
    for seen in seen {
        let candidates = by_text.get(&(seen.token, seen.query.clone()));
        let delay = |index: usize| sent.get(index).map(|at| seen.at - at.as_microsecond());
        let nearest = candidates
            .into_iter()
            .flatten()
            .filter_map(|&index| Some((index, delay(index)?)));
        let Some((index, delay)) = nearest.min_by_key(|(_, delay)| delay.unsigned_abs()) else {
            unknown += 1;
            continue;
        };
        let first = heard
            .entry(&seen.client_id)
            .or_default()
            .entry(index)
            .or_insert(delay);
        *first = delay.min(*first);
    }
    let regions = coverage.iter().map(|coverage| {
        let counts = |at: Timestamp| at >= coverage.from && at < coverage.to;
        let heard = heard
            .remove(coverage.client_id.as_str())
            .unwrap_or_default();
        let heard = heard
            .into_iter()
            .filter(|(index, _)| sent.get(*index).is_some_and(|at| counts(*at)));
        let mut delays: Vec<i64> = heard.map(|(_, micros)| micros.div_euclid(1000)).collect();
        let sent: Vec<Timestamp> = sent.iter().copied().filter(|at| counts(*at)).collect();
        delays.sort_unstable();
        CanaryRegion {
            client_id: coverage.client_id.clone(),
            sent: sent.len() as u64,
            heard: delays.len() as u64,
            sent_in_gaps: sent.iter().filter(|at| coverage.is_gap(**at)).count() as u64,
            delay_min_ms: delays.first().copied(),
            delay_median_ms: percentile(&delays, 50),
            delay_p95_ms: percentile(&delays, 95),
        }
    });
    CanaryFigures {
        regions: regions.collect(),
        sent: sent.iter().filter(|at| **at >= from && **at < to).count() as u64,
        unknown,
    }
}

/// The nearest rank: the smallest value that at least `percent` of 100 values do not exceed.
fn percentile(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let hundred: Vec<i64> = (1..=100).collect();
        assert_eq!(percentile(&hundred, 50), Some(50));
        assert_eq!(percentile(&hundred, 95), Some(95));
        assert_eq!(percentile(&[3, 5, 9], 50), Some(5));
        assert_eq!(percentile(&[3, 5, 9], 95), Some(9));
        assert_eq!(percentile(&[3], 50), Some(3));
        assert_eq!(percentile(&[], 50), None);
    }
}
