//! Which regions saw the same search, and what a region recorded twice: known at the end of a day only, since its rows
//! come in any order. Twelve bytes a row until then.

use std::collections::BTreeMap;

/// Same user, token and query within this time are one search, as for the collectors (`docs/data.md`).
pub(crate) const WINDOW_MS: u32 = 110_000;

const SHARDS: usize = 256;

/// One row: a number of 96 bits, the most significant first. 63 bits of the search's hash, 27 of the millisecond in the
/// day, 6 of the client; so sorted numbers are sorted by search, time and client.
type Packed = [u32; 3];

fn pack(hash: u64, ms: u32, client: u8) -> Packed {
    let number =
        u128::from(hash >> 1) << 33 | u128::from(ms & 0x7ff_ffff) << 6 | u128::from(client & 63);
    #[expect(clippy::cast_possible_truncation, reason = "each takes its 32 bits")]
    let packed = [(number >> 64) as u32, (number >> 32) as u32, number as u32];
    packed
}

/// The hash, the millisecond and the client.
fn unpack(packed: Packed) -> (u64, u32, u8) {
    let [high, middle, low] = packed;
    let hash = u64::from(high) << 31 | u64::from(middle >> 1);
    let ms = (middle & 1) << 26 | low >> 6;
    (hash, ms, (low & 63).to_le_bytes()[0])
}

/// The rows of a day.
#[derive(Debug)]
pub(crate) struct Sightings {
    /// By the first byte of the hash, so that growing and sorting never take memory for all at once.
    shards: Vec<Vec<Packed>>,
}

/// What the rows say together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Searches by the set of clients that saw them; bit n is client n.
    pub(crate) by: BTreeMap<u64, u64>,
    /// Rows of a client that repeat an earlier row of the same client; by client.
    pub(crate) duplicates: Vec<u64>,
}

impl Sightings {
    pub(crate) fn new() -> Self {
        Self {
            shards: vec![Vec::new(); SHARDS],
        }
    }

    /// Takes a row: the hash of its search, the millisecond of the day, the client (below 64).
    pub(crate) fn push(&mut self, hash: u64, ms: u32, client: u8) {
        let [first, ..] = hash.to_be_bytes();
        if let Some(shard) = self.shards.get_mut(usize::from(first)) {
            if shard.len() == shard.capacity() {
                // Doubling would leave a third of the memory unused.
                shard.reserve_exact(64.max(shard.len() / 8));
            }
            shard.push(pack(hash, ms, client));
        }
    }

    /// Compares all rows.
    pub(crate) fn finish(self, clients: usize) -> Seen {
        let mut seen = Seen {
            by: BTreeMap::new(),
            duplicates: vec![0; clients],
        };
        let mut same = Same::default();
        for mut shard in self.shards {
            shard.sort_unstable();
            for (hash, ms, client) in shard.into_iter().map(unpack) {
                same.next(hash, ms, client, &mut seen);
            }
        }
        same.end_event(&mut seen);
        seen
    }
}

/// The rows with one hash, as they come by in the order of time.
#[derive(Debug, Default)]
struct Same {
    hash: Option<u64>,
    /// When each client saw the search that it is now seeing for the first time.
    first: Vec<(u8, u32)>,
    /// When the event began, and who has seen it.
    event: Option<(u32, u64)>,
}

impl Same {
    fn next(&mut self, hash: u64, ms: u32, client: u8, seen: &mut Seen) {
        if self.hash != Some(hash) {
            self.end_event(seen);
            self.hash = Some(hash);
            self.first.clear();
        }
        match self.first.iter_mut().find(|(known, _)| *known == client) {
            Some((_, first)) if ms - *first <= WINDOW_MS => {
                if let Some(duplicates) = seen.duplicates.get_mut(usize::from(client)) {
                    *duplicates += 1;
                }
                return;
            }
            Some((_, first)) => *first = ms,
            None => self.first.push((client, ms)),
        }
        match &mut self.event {
            Some((began, clients)) if ms - *began <= WINDOW_MS => *clients |= 1 << client,
            _ => {
                self.end_event(seen);
                self.event = Some((ms, 1 << client));
            }
        }
    }

    fn end_event(&mut self, seen: &mut Seen) {
        if let Some((_, clients)) = self.event.take() {
            *seen.by.entry(clients).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(clients: usize, rows: &[(u64, u32, u8)]) -> Seen {
        let mut sightings = Sightings::new();
        for &(hash, ms, client) in rows {
            sightings.push(hash, ms, client);
        }
        sightings.finish(clients)
    }

    #[test]
    fn a_row_survives_its_packing_and_sorts_by_search_time_client() {
        let rows = [
            (2, 7, 3),
            (2, 86_399_999, 0),
            (4, 0, 63),
            (u64::MAX - 1, 5, 1),
        ];
        for (hash, ms, client) in rows {
            assert_eq!(unpack(pack(hash, ms, client)), (hash >> 1, ms, client));
        }
        assert!(
            rows.map(|(hash, ms, client)| pack(hash, ms, client))
                .is_sorted()
        );
        assert_eq!(size_of::<Packed>(), 12);
    }

    #[test]
    fn events_go_by_the_exact_set_of_clients() {
        let found = seen(
            3,
            &[
                // One search that all see, told out of order.
                (10, 900, 1),
                (10, 0, 0),
                (10, 110_000, 2),
                // Just too late: another event.
                (20, 0, 0),
                (20, 110_001, 1),
                // Seen by one only.
                (30, 5, 2),
            ],
        );
        assert_eq!(
            found.by,
            [(0b111, 1), (0b001, 1), (0b010, 1), (0b100, 1)].into()
        );
        assert_eq!(found.duplicates, [0, 0, 0]);
    }

    #[test]
    fn a_duplicate_is_within_the_window_of_the_clients_own_first_row_and_no_event() {
        let found = seen(
            2,
            &[
                // Client 0 three times: the third is 110.001 s after the first, so it is a search of its own.
                (10, 0, 0),
                (10, 110_000, 0),
                (10, 110_001, 0),
                // Client 1 saw the first late, and again after the event's window: still only a duplicate.
                (10, 100_000, 1),
                (10, 115_000, 1),
            ],
        );
        assert_eq!(found.duplicates, [1, 1]);
        assert_eq!(found.by, [(0b11, 1), (0b01, 1)].into());
    }

    #[test]
    fn the_64th_client_counts() {
        assert_eq!(
            seen(64, &[(9, 0, 63), (9, 1, 0)]).by,
            [(1 << 63 | 1, 1)].into()
        );
    }
}
