//! Texts that are kept once each.

use std::hash::{BuildHasher as _, RandomState};

use bytes::Bytes;
use hashbrown::HashTable;

/// Many texts in one piece of memory, numbered from 0 in the order in which they were first seen.
#[derive(Debug, Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    /// Where each text ends; it begins where the one before ends.
    ends: Vec<u32>,
    numbers: HashTable<u32>,
    state: RandomState,
}

impl Texts {
    /// The number of the text, and whether it is new.
    pub(super) fn number(&mut self, text: &[u8]) -> (u32, bool) {
        let Self {
            bytes,
            ends,
            numbers,
            state,
        } = self;
        let hash = state.hash_one(text);
        if let Some(number) = numbers.find(hash, |&number| &bytes[range(ends, number)] == text) {
            return (*number, false);
        }
        let number = small(ends.len());
        bytes.extend_from_slice(text);
        ends.push(small(bytes.len()));
        numbers.insert_unique(hash, number, |&number| {
            state.hash_one(&bytes[range(ends, number)])
        });
        (number, true)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Gives up the index, which only new texts need, and with it a third of the memory.
    pub(super) fn freeze(self) -> Frozen {
        Frozen {
            bytes: self.bytes.into(),
            ends: self.ends,
        }
    }
}

/// Texts that do not become more.
#[derive(Debug)]
pub(super) struct Frozen {
    bytes: Bytes,
    ends: Vec<u32>,
}

impl Frozen {
    /// The text of a number; shares the memory.
    pub(super) fn text(&self, number: u32) -> Bytes {
        self.bytes.slice(range(&self.ends, number))
    }
}

fn range(ends: &[u32], number: u32) -> std::ops::Range<usize> {
    let number = number as usize;
    let start = number.checked_sub(1).map_or(0, |before| ends[before]);
    start as usize..ends[number] as usize
}

/// Groups end long before there are four thousand million of anything.
pub(super) fn small(count: usize) -> u32 {
    u32::try_from(count).expect("a row group is smaller than 4 GiB")
}
