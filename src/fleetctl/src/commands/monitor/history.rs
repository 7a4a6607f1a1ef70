//! A counter over time, and how fast it grows.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// Readings that are kept: at one every two seconds ten minutes.
const KEPT: usize = 300;
/// The rate that is told is over this time.
const WINDOW: Duration = Duration::from_secs(10);

/// The readings of one counter.
#[derive(Debug, Default)]
pub(super) struct History {
    readings: VecDeque<(Instant, Option<u64>)>,
    /// When it was last seen to grow.
    pub(super) grown_at: Option<Timestamp>,
}

impl History {
    /// Notes a reading, or that there was none.
    pub(super) fn note(&mut self, now: Instant, at: Timestamp, count: Option<u64>) {
        let known = self.readings.iter().rev().find_map(|(_, count)| *count);
        if let (Some(before), Some(count)) = (known, count)
            && grown(before, count) > 0
        {
            self.grown_at = Some(at);
        }
        self.readings.push_back((now, count));
        if self.readings.len() > KEPT {
            self.readings.pop_front();
        }
    }

    /// Growth a second over the last while; nothing as long as there is one reading, or where the last one failed.
    pub(super) fn rate(&self) -> Option<f64> {
        let &(now, last) = self.readings.back()?;
        last?;
        let recent = self.readings.iter().rev().enumerate();
        // Two of them, however seldom somebody looks.
        let recent = recent.take_while(|(index, (at, _))| *index < 2 || now - *at <= WINDOW);
        let recent = recent.map_while(|(_, &(at, count))| Some((at, count?)));
        let recent: Vec<_> = recent.collect();
        let growth: u64 = recent
            .windows(2)
            .map(|pair| grown(pair[1].1, pair[0].1))
            .sum();
        a_second(growth, now - recent.last()?.0)
    }

    /// Growth a second between neighbouring readings.
    pub(super) fn series(&self) -> Vec<Option<f64>> {
        let pairs = self.readings.iter().zip(self.readings.iter().skip(1));
        let rates = pairs.map(|((before, from), (after, to))| {
            a_second(grown((*from)?, (*to)?), *after - *before)
        });
        rates.collect()
    }
}

/// A counter that is lower than before has started over.
fn grown(before: u64, after: u64) -> u64 {
    after.checked_sub(before).unwrap_or(after)
}

fn a_second(growth: u64, time: Duration) -> Option<f64> {
    let growth = u32::try_from(growth).unwrap_or(u32::MAX);
    (!time.is_zero()).then(|| f64::from(growth) / time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(counts: &[Option<u64>]) -> History {
        let start = Instant::now();
        let mut history = History::default();
        for (second, count) in (0..).zip(counts) {
            let at = Timestamp::from_second(second * 2).unwrap();
            let now = start + Duration::from_secs(u64::try_from(second).unwrap() * 2);
            history.note(now, at, *count);
        }
        history
    }

    #[test]
    fn one_reading_is_no_rate_and_two_are() {
        assert_eq!(of(&[Some(5)]).rate(), None);
        let history = of(&[Some(5), Some(25)]);
        assert_eq!(history.rate(), Some(10.0));
        assert_eq!(history.grown_at, Some(Timestamp::from_second(2).unwrap()));
    }

    #[test]
    fn a_process_that_starts_over_counts_from_its_start() {
        let history = of(&[Some(100), Some(120), Some(10)]);
        assert_eq!(history.series(), [Some(10.0), Some(5.0)]);
        assert_eq!(history.rate(), Some(7.5));
    }

    #[test]
    fn a_reading_that_failed_is_a_gap_and_no_zero() {
        let history = of(&[Some(10), Some(20), None]);
        assert_eq!(
            (history.rate(), history.series()),
            (None, vec![Some(5.0), None])
        );
        let back = of(&[Some(10), Some(20), None, Some(20), Some(20)]);
        assert_eq!(back.series(), [Some(5.0), None, None, Some(0.0)]);
        assert_eq!(back.rate(), Some(0.0));
        assert_eq!(back.grown_at, Some(Timestamp::from_second(2).unwrap()));
    }

    #[test]
    fn the_rate_forgets_what_is_long_ago_and_memory_is_bounded() {
        let counts: Vec<_> = (0..1000)
            .map(|i| Some(if i < 900 { i * 100 } else { 90_000 }))
            .collect();
        let history = of(&counts);
        assert_eq!(history.rate(), Some(0.0));
        assert_eq!(history.series().len(), KEPT - 1);
    }
}
