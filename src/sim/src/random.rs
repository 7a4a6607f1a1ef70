//! Random numbers that are the same in every run: from a seed, with a generator that is fixed for ever.

/// `SplitMix64`: small, and the same on every machine and in every version.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The sequence that belongs to one thing of many: a user, a word, a work. `kind` tells users from words.
    pub fn of(seed: u64, kind: u64, item: u64) -> Self {
        let mut random = Self(seed ^ kind.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        random.0 = random.bits().wrapping_add(item);
        Self(random.bits())
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// 32 random bits.
    pub fn word(&mut self) -> u32 {
        (self.bits() >> 32) as u32
    }

    /// A whole number less than `end`; 0 where `end` is 0.
    pub fn below(&mut self, end: u32) -> u32 {
        let scaled = (u64::from(self.word()) * u64::from(end)) >> 32;
        u32::try_from(scaled).unwrap_or_default()
    }

    /// At least 0 and less than 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True in this share of all cases.
    pub fn chance(&mut self, share: f64) -> bool {
        self.fraction() < share
    }

    /// The time to the next of events that come on their own, with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.fraction()).ln()
    }

    /// One of them, each as often as the others.
    pub fn one_of<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        let count = u32::try_from(choices.len()).unwrap_or(u32::MAX);
        let index = usize::try_from(self.below(count)).unwrap_or_default();
        choices.get(index).copied().unwrap_or_default()
    }
}

/// Ranks by Zipf's law: the n-th is drawn n^-exponent times as often as the first.
///
/// Draws from the continuous law and rounds down: no table, so there can be millions of ranks.
#[derive(Clone, Copy, Debug)]
pub struct Zipf {
    end: f64,
    exponent: f64,
}

impl Zipf {
    /// The law over so many ranks.
    pub fn new(ranks: u32, exponent: f64) -> Self {
        Self {
            end: f64::from(ranks) + 1.0,
            exponent,
        }
    }

    /// A rank; the first is 0.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most the number of ranks"
    )]
    #[expect(clippy::cast_sign_loss, reason = "at least 1")]
    pub fn draw(&self, random: &mut Random) -> u32 {
        let at = random.fraction();
        let power = 1.0 - self.exponent;
        let rank = if power.abs() < 1e-9 {
            self.end.powf(at)
        } else {
            (1.0 + at * (self.end.powf(power) - 1.0)).powf(1.0 / power)
        };
        (rank as u32).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_never_changes() {
        let mut random = Random::new(0);
        // The first values of SplitMix64 with seed 0, https://prng.di.unimi.it/splitmix64.c
        assert_eq!(random.bits(), 0xE220_A839_7B1D_CDAF);
        assert_eq!(random.bits(), 0x6E78_9E6A_A1B9_65F4);
    }

    #[test]
    fn low_ranks_are_drawn_in_proportion() {
        let mut random = Random::new(1);
        for exponent in [0.7, 1.0, 1.2] {
            let law = Zipf::new(1000, exponent);
            let mut counts = vec![0_u32; 1000];
            for _ in 0..200_000 {
                counts[law.draw(&mut random) as usize] += 1;
            }
            assert!(counts.iter().all(|&count| count > 0), "{exponent}");
            let (tens, hundreds): (u32, u32) =
                (counts[10..20].iter().sum(), counts[100..200].iter().sum());
            // The number of draws between n and 2n grows with n to the power of 1 - exponent.
            let expected = 10_f64.powf(1.0 - exponent);
            let found = f64::from(hundreds) / f64::from(tens);
            assert!(
                (found / expected - 1.0).abs() < 0.2,
                "{exponent}: {found} for {expected}"
            );
        }
    }
}
