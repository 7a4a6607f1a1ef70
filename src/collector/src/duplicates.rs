//! The same search seen twice: two connections, a change of parent, a server that sends it besides a
//! parent. Same user, token and query within the window are one search.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use fleet_soulseek::session::SearchSeen;
use tokio::time::Instant;

/// Shorter than the two minutes after which a supporter's client repeats a wish under the same token:
/// that repetition is a search of its own.
const WINDOW: Duration = Duration::from_secs(110);
/// Above this many searches in the window the oldest are forgotten early, so that memory stays bounded
/// (about 11 MB). It is reached at 2 300 searches a second.
const CAPACITY: usize = 1 << 18;

/// The searches of the last while, as keyed 64-bit hashes. A search is taken for another by chance
/// about once in 2⁴⁶.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    hasher: RandomState,
    seen: HashSet<u64>,
    order: VecDeque<(Instant, u64)>,
}

impl Recent {
    /// Whether the search is a new one. It is remembered from now on.
    pub(crate) fn insert(&mut self, search: &SearchSeen) -> bool {
        let key = (
            search.username.as_bytes(),
            search.token,
            search.query.as_bytes(),
        );
        self.insert_hash(search.at, self.hasher.hash_one(key))
    }

    fn insert_hash(&mut self, at: Instant, hash: u64) -> bool {
        while let Some(&(oldest, old)) = self.order.front()
            && (at.saturating_duration_since(oldest) > WINDOW || self.order.len() >= CAPACITY)
        {
            self.order.pop_front();
            self.seen.remove(&old);
        }
        let new = self.seen.insert(hash);
        if new {
            self.order.push_back((at, hash));
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_new_again_after_the_window() {
        let mut recent = Recent::default();
        let start = Instant::now();
        assert!(recent.insert_hash(start, 1));
        assert!(!recent.insert_hash(start + WINDOW, 1));
        assert!(recent.insert_hash(start + Duration::from_mins(2), 1));
    }

    #[test]
    fn memory_is_bounded_and_the_newest_are_kept() {
        let mut recent = Recent::default();
        let start = Instant::now();
        let more = CAPACITY as u64 + 10;
        for hash in 0..more {
            assert!(recent.insert_hash(start, hash));
        }
        assert_eq!(
            (recent.seen.len(), recent.order.len()),
            (CAPACITY, CAPACITY)
        );
        assert!(!recent.insert_hash(start, more - 1));
        assert!(recent.insert_hash(start, 0));
    }
}
