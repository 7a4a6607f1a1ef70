//! How much of what one region sees the others see, too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::day::DayFigures;

/// Searches that were seen by exactly these clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenBy {
    /// In the order of their names.
    pub clients: Vec<String>,
    /// Different searches: the same user, token and query within 110 seconds is one.
    pub searches: u64,
}

impl SeenBy {
    /// `set` has bit n for the n-th of `names`.
    pub(crate) fn new(set: u64, names: &[&str], searches: u64) -> Self {
        let bits = names.iter().enumerate();
        let mut clients: Vec<String> = bits
            .filter(|(n, _)| set >> n & 1 == 1)
            .map(|(_, name)| (*name).to_owned())
            .collect();
        clients.sort_unstable();
        Self { clients, searches }
    }
}

/// What the regions of a range have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// Different searches that any region saw.
    pub searches: u64,
    /// Searches seen by exactly one region, by exactly two, and so on.
    pub seen_by_regions: Vec<u64>,
    /// Searches by the exact set of regions that saw them, the most frequent first.
    pub sets: Vec<SeenBy>,
    /// Every region with every other one.
    pub pairs: Vec<Pair>,
}

/// How much of what one region saw another one saw, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Of what this one saw …
    pub of: String,
    /// … this one saw, too …
    pub by: String,
    /// … this many searches …
    pub both: u64,
    /// … of this many.
    pub all: u64,
}

/// Adds up days.
#[derive(Debug, Default)]
pub(crate) struct OverlapBuilder {
    sets: BTreeMap<Vec<String>, u64>,
}

impl OverlapBuilder {
    pub(crate) fn add(&mut self, day: &DayFigures) {
        for set in &day.seen_by {
            *self.sets.entry(set.clients.clone()).or_default() += set.searches;
        }
    }

    pub(crate) fn finish(self, clients: &[String]) -> Overlap {
        let mut overlap = Overlap {
            seen_by_regions: vec![0; clients.len()],
            ..Overlap::default()
        };
        for (set, searches) in &self.sets {
            overlap.searches += searches;
            if let Some(count) = overlap.seen_by_regions.get_mut(set.len().saturating_sub(1)) {
                *count += searches;
            }
        }
        for of in clients {
            let all = self.seen_by(&[of]);
            for by in clients.iter().filter(|by| *by != of) {
                overlap.pairs.push(Pair {
                    of: of.clone(),
                    by: by.clone(),
                    both: self.seen_by(&[of, by]),
                    all,
                });
            }
        }
        let sets = self.sets.into_iter();
        overlap.sets = sets
            .map(|(clients, searches)| SeenBy { clients, searches })
            .collect();
        overlap
            .sets
            .sort_by_key(|set| std::cmp::Reverse(set.searches));
        overlap
    }

    /// Searches that all of `clients` saw, whoever else did.
    fn seen_by(&self, clients: &[&String]) -> u64 {
        let sets = self.sets.iter();
        sets.filter(|(set, _)| clients.iter().all(|client| set.contains(client)))
            .map(|(_, searches)| searches)
            .sum()
    }
}
