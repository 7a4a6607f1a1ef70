//! Names and queries, made up from numbers: the same number gives the same text.

use crate::random::{Random, Zipf};

const USER: u64 = 1;
const WORD: u64 = 2;
const WORK: u64 = 3;

// Spelled so that letters are about as frequent as in names of artists and records.
const ONSETS: [&str; 40] = [
    "b", "b", "br", "c", "c", "ch", "d", "d", "f", "fr", "g", "gr", "h", "h", "j", "k", "l", "l",
    "l", "m", "m", "m", "n", "n", "p", "p", "pr", "r", "r", "s", "s", "s", "sh", "st", "t", "t",
    "th", "tr", "v", "w",
];
const VOWELS: [&str; 16] = [
    "a", "a", "a", "a", "e", "e", "e", "e", "i", "i", "i", "o", "o", "o", "u", "ea",
];
const CODAS: [&str; 20] = [
    "", "", "", "", "", "", "", "n", "n", "n", "r", "r", "s", "s", "l", "t", "m", "ck", "nd", "ng",
];
const ACCENTED: [&str; 12] = ["é", "è", "á", "ó", "í", "ö", "ü", "ä", "å", "ø", "ñ", "ç"];
const CYRILLIC: [&str; 16] = [
    "ка", "ра", "но", "ли", "ва", "то", "се", "ми", "пе", "ло", "ки", "ду", "на", "ст", "ов", "ер",
];
const HAN: [&str; 16] = [
    "東", "京", "音", "楽", "花", "月", "夜", "空", "海", "愛", "夢", "光", "風", "雨", "星", "心",
];
/// What people add to a name.
const EXTRAS: [&str; 8] = [
    "flac",
    "mp3",
    "320",
    "remix",
    "live",
    "album",
    "vinyl",
    "discography",
];
const EXTRA_SHARE: f64 = 0.15;

/// Texts of one seed.
#[derive(Clone, Debug)]
pub(super) struct Texts {
    pub(super) seed: u64,
    pub(super) words: Zipf,
    pub(super) foreign_share: f64,
}

impl Texts {
    /// 3 to 20 characters, about 10 on average.
    pub(super) fn name(&self, user: u32) -> String {
        let mut random = Random::of(self.seed, USER, user.into());
        let mut name = String::new();
        for _ in 0..2 + random.below(3) {
            syllable(&mut name, &mut random);
        }
        if random.chance(0.4) {
            name.push_str(&random.below(1000).to_string());
        }
        while name.len() < 3 {
            name.push('x');
        }
        name.truncate(20);
        name
    }

    /// What a person types to find the thing: 2 to 5 words, like an artist and a record. `typing` tells attempts apart.
    pub(super) fn query(&self, work: u32, typing: &mut Random) -> String {
        let mut random = Random::of(self.seed, WORK, work.into());
        let mut query = String::new();
        for n in 0..random.one_of(&[2, 2, 3, 3, 3, 4, 4, 5]) {
            if n > 0 {
                query.push(' ');
            }
            self.word(&mut query, self.words.draw(&mut random));
        }
        if typing.chance(EXTRA_SHARE) {
            query.push(' ');
            query.push_str(typing.one_of(&EXTRAS));
        }
        query
    }

    /// Frequent words are short.
    fn word(&self, text: &mut String, rank: u32) {
        let mut random = Random::of(self.seed, WORD, rank.into());
        let syllables = match rank {
            0..10 => 1,
            10..1000 => 1 + random.below(3),
            _ => 2 + random.below(2),
        };
        if random.chance(self.foreign_share) {
            let letters: &[&str] = if random.chance(0.6) { &CYRILLIC } else { &HAN };
            if random.chance(0.5) {
                syllable(text, &mut random);
                text.push_str(random.one_of(&ACCENTED));
                syllable(text, &mut random);
            } else {
                for _ in 0..syllables {
                    text.push_str(random.one_of(letters));
                }
            }
            return;
        }
        for _ in 0..syllables {
            syllable(text, &mut random);
        }
    }
}

fn syllable(text: &mut String, random: &mut Random) {
    for part in [&ONSETS[..], &VOWELS, &CODAS] {
        text.push_str(random.one_of(part));
    }
}
