//! How many different things there were, in a few kilobytes, whatever their number: the K smallest hashes ("bottom-k",
//! "k minimum values").
//!
//! Below K things the count is exact. From K on the K-th smallest hash, as a fraction of all hashes, says how densely
//! they lie: (K - 1) / fraction is an unbiased estimate, with a relative standard error of 1 / sqrt(K - 2).
//! Bar-Yossef and others, "Counting distinct elements in a data stream" (2002); Beyer and others, "On synopses for
//! distinct-value estimation under multiset operations" (2007).
//!
//! The sketch of a union is the K smallest of both sketches: days are merged into ranges without another look at rows.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// The first byte of the binary form.
const VERSION: u8 = 1;

/// The hash of all sketches: the first 8 bytes, big-endian, of SHA-256. Stored sketches rest on it: it never changes.
pub(crate) fn stable_hash(bytes: &[u8]) -> u64 {
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .take(8)
        .fold(0, |hash, &byte| hash << 8 | u64::from(byte))
}

/// How many there are, and how sure that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// The number.
    pub value: u64,
    /// Its standard error: in two of three cases the truth is no further away. 0 where the number is exact.
    pub standard_error: u64,
}

impl Estimate {
    /// Whether the number was counted, not estimated.
    pub fn is_exact(self) -> bool {
        self.standard_error == 0
    }
}

/// The K smallest different hashes of what was counted.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sketch<const K: usize> {
    /// Ascending, each once, at most K.
    smallest: Vec<u64>,
}

impl<const K: usize> Sketch<K> {
    /// Counts a thing.
    pub fn insert(&mut self, thing: &[u8]) {
        self.insert_hash(stable_hash(thing));
    }

    /// Counts a thing whose [`stable_hash`] is known.
    pub(crate) fn insert_hash(&mut self, hash: u64) {
        let full = self.smallest.len() >= K;
        if full && self.smallest.last().is_some_and(|&last| last <= hash) {
            return;
        }
        if let Err(place) = self.smallest.binary_search(&hash) {
            if full {
                self.smallest.pop();
            }
            self.smallest.insert(place, hash);
        }
    }

    /// Counts everything that the other one has counted.
    pub fn merge(&mut self, other: &Self) {
        self.smallest.extend_from_slice(&other.smallest);
        self.smallest.sort_unstable();
        self.smallest.dedup();
        self.smallest.truncate(K);
    }

    /// How many different things were counted.
    pub fn estimate(&self) -> Estimate {
        let kept = self.smallest.len() as u64;
        match self.smallest.last() {
            Some(&kth) if self.smallest.len() >= K && K > 2 => {
                // A hash h is the fraction (h + 1) / 2^64 of all hashes.
                let value = (u128::from(kept - 1) << 64) / (u128::from(kth) + 1);
                let variance = value * value / u128::from(kept - 2);
                Estimate {
                    value: u64::try_from(value).unwrap_or(u64::MAX),
                    standard_error: u64::try_from(variance.isqrt()).unwrap_or(u64::MAX).max(1),
                }
            }
            _ => Estimate {
                value: kept,
                standard_error: 0,
            },
        }
    }

    /// The form in which it is kept: a version byte (1), K as four bytes, the hashes ascending; all big-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(5 + 8 * self.smallest.len());
        bytes.push(VERSION);
        bytes.extend(u32::try_from(K).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(self.smallest.iter().flat_map(|hash| hash.to_be_bytes()));
        bytes
    }

    /// Reads what [`Sketch::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SketchError> {
        let (&version, rest) = bytes.split_first().ok_or(SketchError::Length(0))?;
        if version != VERSION {
            return Err(SketchError::Version(version));
        }
        let (size, hashes) = rest
            .split_first_chunk::<4>()
            .ok_or(SketchError::Length(bytes.len()))?;
        let size = u32::from_be_bytes(*size);
        if u32::try_from(K) != Ok(size) {
            return Err(SketchError::Size {
                found: size,
                wanted: K,
            });
        }
        let (hashes, odd) = hashes.as_chunks::<8>();
        if !odd.is_empty() || hashes.len() > K {
            return Err(SketchError::Length(bytes.len()));
        }
        let smallest: Vec<u64> = hashes
            .iter()
            .map(|hash| u64::from_be_bytes(*hash))
            .collect();
        if !smallest.is_sorted_by(|a, b| a < b) {
            return Err(SketchError::Order);
        }
        Ok(Self { smallest })
    }
}

impl<const K: usize> fmt::Debug for Sketch<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sketch<{K}>({:?})", self.estimate())
    }
}

/// As base64 of the binary form.
impl<const K: usize> Serialize for Sketch<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(self.to_bytes()))
    }
}

impl<'de, const K: usize> Deserialize<'de> for Sketch<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(D::Error::custom)?;
        Self::from_bytes(&bytes).map_err(D::Error::custom)
    }
}

/// Bytes that are not a sketch of this kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SketchError {
    /// Another version of this program wrote it.
    #[error("the sketch has version {0}, known is {VERSION}")]
    Version(u8),
    /// It keeps another number of hashes.
    #[error("the sketch keeps {found} hashes, not {wanted}")]
    Size {
        /// What it says.
        found: u32,
        /// What is expected here.
        wanted: usize,
    },
    /// It is cut short or too long.
    #[error("a sketch cannot have {0} bytes")]
    Length(usize),
    /// The hashes do not ascend.
    #[error("the hashes of the sketch are not in order")]
    Order,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn sketch<const K: usize>(things: impl IntoIterator<Item = u64>) -> Sketch<K> {
        let mut sketch = Sketch::default();
        for thing in things {
            sketch.insert(&thing.to_be_bytes());
        }
        sketch
    }

    /// Well spread numbers that cost less than SHA-256 (splitmix64).
    fn spread<const K: usize>(things: impl IntoIterator<Item = u64>) -> Sketch<K> {
        let mut sketch = Sketch::default();
        for thing in things {
            let mut hash = thing.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            sketch.insert_hash(hash ^ hash >> 31);
        }
        sketch
    }

    /// The bytes of stored sketches depend on these two. Never change them.
    #[test]
    fn the_hash_and_the_binary_form_are_as_they_always_were() {
        // SHA-256 of "abc" begins like this (FIPS 180-4, example 1).
        assert_eq!(stable_hash(b"abc"), 0xba78_16bf_8f01_cfea);
        let mut sketch = Sketch::<64>::default();
        sketch.insert(b"abc");
        let bytes = [
            1, 0, 0, 0, 64, 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
        ];
        assert_eq!(sketch.to_bytes(), bytes);
        assert_eq!(Sketch::from_bytes(&bytes), Ok(sketch.clone()));
        let json = serde_json::to_string(&sketch).unwrap();
        assert_eq!(json, "\"AQAAAEC6eBa/jwHP6g==\"");
        assert_eq!(serde_json::from_str::<Sketch<64>>(&json).unwrap(), sketch);
    }

    #[test]
    fn what_is_not_a_sketch_is_refused() {
        let good = sketch::<64>(0..3).to_bytes();
        let refused = |bytes: &[u8]| Sketch::<64>::from_bytes(bytes).unwrap_err();
        assert_eq!(refused(&[]), SketchError::Length(0));
        assert_eq!(refused(&good[..4]), SketchError::Length(4));
        assert_eq!(refused(&good[..good.len() - 1]), SketchError::Length(28));
        assert_eq!(
            refused(&[&[2], &good[1..]].concat()),
            SketchError::Version(2)
        );
        let twice = [&good[..], &good[5..13]].concat();
        assert_eq!(refused(&twice), SketchError::Order);
        let size = SketchError::Size {
            found: 64,
            wanted: 2048,
        };
        assert_eq!(Sketch::<2048>::from_bytes(&good).unwrap_err(), size);
        let long = sketch::<2048>(0..65).to_bytes();
        let long = [&good[..5], &long[5..]].concat();
        assert_eq!(refused(&long), SketchError::Length(525));
    }

    #[test]
    fn counts_are_exact_below_k_and_within_four_standard_errors_above() {
        let exact = |value| Estimate {
            value,
            standard_error: 0,
        };
        assert_eq!(sketch::<64>([]).estimate(), exact(0));
        assert_eq!(sketch::<64>([7, 7, 7]).estimate(), exact(1));
        assert_eq!(
            sketch::<2048>((0..2047).chain(0..2047)).estimate(),
            exact(2047)
        );
        for count in [2_048, 10_000, 30_000] {
            let found = sketch::<2048>(0..count).estimate();
            let off = found.value.abs_diff(count);
            assert!(off <= 4 * found.standard_error, "{count}: {found:?}");
        }
        for count in [2_048, 10_000, 100_000, 1_000_000] {
            let found = spread::<2048>(0..count).estimate();
            let off = found.value.abs_diff(count);
            assert!(off <= 4 * found.standard_error, "{count}: {found:?}");
            // 1 / sqrt(2046) is 2.2 %.
            let percent = found.standard_error * 1000 / found.value;
            assert!((21..=23).contains(&percent), "{found:?}");
        }
        let found = sketch::<64>(0..5_000).estimate();
        assert!(
            found.value.abs_diff(5_000) <= 4 * found.standard_error,
            "{found:?}"
        );
        assert!(found.standard_error > 500, "{found:?}");
    }

    /// The mean over many sketches: a formula that is off by one would be off by 1.6 % with K = 64.
    #[test]
    fn the_estimate_has_no_bias() {
        let (sketches, count) = (2_000, 1_000);
        let sum: u64 = (0..sketches)
            .map(|n| spread::<64>(n * count..(n + 1) * count).estimate().value)
            .sum();
        let mean = sum / sketches;
        // The standard error of the mean is 12.7 % / sqrt(2000), 3 of 1000.
        assert!(mean.abs_diff(count) <= 9, "{mean}");
    }

    proptest! {
        #[test]
        fn a_merge_is_the_sketch_of_the_union_in_any_order(
            a in prop::collection::vec(0_u64..400, 0..300),
            b in prop::collection::vec(0_u64..400, 0..300),
        ) {
            let both = sketch::<64>(a.iter().chain(&b).copied());
            let (of_a, of_b) = (sketch::<64>(a.clone()), sketch::<64>(b.clone()));
            let (mut ab, mut ba) = (of_a.clone(), of_b.clone());
            ab.merge(&of_b);
            ba.merge(&of_a);
            prop_assert_eq!(&ab, &both);
            prop_assert_eq!(&ba, &both);
            prop_assert_eq!(&sketch::<64>(b.iter().chain(&a).rev().copied()), &both);
            let union: BTreeSet<_> = a.iter().chain(&b).collect();
            if union.len() < 64 {
                prop_assert_eq!(both.estimate().value, union.len() as u64);
            }
            prop_assert_eq!(Sketch::from_bytes(&both.to_bytes()), Ok(both));
        }
    }
}
