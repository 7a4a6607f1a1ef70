//! Searches as people make them, the same ones in every run: names and words by Zipf's law, from a fixed seed.

use fleet_soulseek::{
    messages::{
        distributed::{DistributedMessage, SEARCH_IDENTIFIER, Search},
        server::{Embedded, ServerResponse},
    },
    wire::Text,
};

const SEED: u64 = 0x5EED;
const NAMES: usize = 20_000;
const WORDS: usize = 5_000;
/// One word in so many is not ASCII.
const FOREIGN_EVERY: u64 = 40;
const FOREIGN: [&str; 6] = ["björk", "beyoncé", "東京", "sigur rós", "кино", "motörhead"];
const SYLLABLES: [&str; 24] = [
    "ra", "do", "mi", "sol", "ven", "tek", "lo", "ka", "der", "ing", "nu", "bel", "an", "tri",
    "os", "em", "jaz", "fo", "re", "li", "son", "ga", "hu", "pe",
];

/// The connection that a frame is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the server to a branch root, code 93.
    Server,
    /// From the parent, code 3.
    Parent,
}

/// `count` searches on the wire, one frame behind the other. No two are the same: each has its own token, `first` and
/// the numbers that follow it.
pub(crate) fn frames(way: Way, first: u32, count: u32) -> Vec<u8> {
    let mut corpus = Corpus::new();
    let mut bytes = Vec::new();
    for token in first..first + count {
        let search = corpus.search(token);
        let frame = match way {
            Way::Server => ServerResponse::Embedded(Embedded::search(&search)).encode(),
            Way::Parent => DistributedMessage::Search(search).encode(),
        };
        bytes.extend_from_slice(&frame);
    }
    bytes
}

/// Takes so many frames off the front.
pub(crate) fn take<'a>(frames: &mut &'a [u8], count: usize) -> &'a [u8] {
    let mut end = 0;
    for _ in 0..count {
        let Some(length) = frames[end..].first_chunk() else {
            break;
        };
        end += size_of::<u32>() + u32::from_le_bytes(*length) as usize;
    }
    let (taken, left) = frames.split_at(end);
    *frames = left;
    taken
}

struct Corpus {
    random: Random,
    names: Vec<Text>,
    words: Vec<String>,
    name_ranks: Zipf,
    word_ranks: Zipf,
}

impl Corpus {
    fn new() -> Self {
        let mut random = Random(SEED);
        let names = (0..NAMES)
            .map(|n| format!("{}{}", random.word(2, 3), n % 1000))
            .map(|name| name.as_str().into())
            .collect();
        let words = (0..WORDS).map(|_| random.word(2, 3)).collect();
        Self {
            random,
            names,
            words,
            name_ranks: Zipf::new(NAMES),
            word_ranks: Zipf::new(WORDS),
        }
    }

    fn search(&mut self, token: u32) -> Search {
        let username = self.names[self.name_ranks.draw(&mut self.random)].clone();
        let mut query = String::new();
        for n in 0..3 + self.random.below(3) {
            if n > 0 {
                query.push(' ');
            }
            query.push_str(self.word());
        }
        Search {
            identifier: SEARCH_IDENTIFIER,
            username,
            token,
            query: query.as_str().into(),
        }
    }

    fn word(&mut self) -> &str {
        if self.random.below(FOREIGN_EVERY) == 0 {
            self.random.one_of(&FOREIGN)
        } else {
            &self.words[self.word_ranks.draw(&mut self.random)]
        }
    }
}

/// Ranks by Zipf's law: the n-th is drawn 1/n times as often as the first.
struct Zipf {
    /// The sum of the weights up to each rank.
    sums: Vec<f64>,
}

impl Zipf {
    fn new(ranks: usize) -> Self {
        let weights = (1_u32..).take(ranks).map(|rank| 1.0 / f64::from(rank));
        let sums = weights
            .scan(0.0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        Self { sums }
    }

    fn draw(&self, random: &mut Random) -> usize {
        let total = self.sums.last().copied().unwrap_or_default();
        let at = random.fraction() * total;
        let rank = self.sums.partition_point(|&sum| sum < at);
        rank.min(self.sums.len() - 1)
    }
}

/// `SplitMix64`: small, and the same on every machine and in every version.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// At least 0 and less than 1.
    fn fraction(&mut self) -> f64 {
        let bits = u32::try_from(self.next() >> 32).unwrap_or_default();
        f64::from(bits) / 4_294_967_296.0
    }

    fn one_of(&mut self, texts: &[&'static str]) -> &'static str {
        let index = self.below(texts.len() as u64);
        texts[usize::try_from(index).unwrap_or_default()]
    }

    fn word(&mut self, least: u64, most: u64) -> String {
        let syllables = least + self.below(most - least + 1);
        (0..syllables).map(|_| self.one_of(&SYLLABLES)).collect()
    }
}
