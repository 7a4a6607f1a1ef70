//! Gaps in collection, read from the collectors' journal by the table in `docs/data.md`.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::quiet::QuietTimes;
use super::range::share;

/// How `parent lost` says that it was silence: `fleet-soulseek`, session/tree.rs. It is noticed after a minute.
const SILENCE: &str = "it has sent no search for too long";
const SILENCE_IS_NOTICED_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// A client that says nothing for this long before the end of the range, and never says that it stopped, is taken for one
/// that is not running. The network is never quiet for so long.
const SIGN_OF_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// A line of a collector's journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEvent {
    /// Whose journal.
    pub client_id: String,
    /// When the line was handed to the spool.
    pub at: Timestamp,
    /// `started`, `parent found`, …
    pub kind: String,
    /// More about it.
    pub detail: String,
}

/// A time in which a client collected nothing, whatever the network did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The beginning.
    pub from: Timestamp,
    /// The end, or the end of the range if the gap goes on.
    pub to: Timestamp,
    /// `not running`, `starting`, `parent lost`, `server lost`, `refused`, `stopped`, `spool waited` or `nothing heard`.
    pub reason: String,
    /// What the journal says about it.
    pub detail: String,
    /// Whether it goes on after the range.
    pub open: bool,
}

/// A step of a client's clock: times before and after it do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockJump {
    /// When it was noticed, by the new time.
    pub at: Timestamp,
    /// By how much, as the journal says it.
    pub detail: String,
}

/// When a client collected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// The client.
    pub client_id: String,
    /// The beginning of the range, or the client's first sign of life in it.
    pub from: Timestamp,
    /// The end of the range, or now.
    pub to: Timestamp,
    /// Seconds in which it collected nothing.
    pub down_seconds: u64,
    /// The share of the time from `from` to `to` in which it collected, 0 to 1.
    pub share: Option<f64>,
    /// In the order of their beginnings; they can overlap.
    pub gaps: Vec<Gap>,
    /// Steps of its clock.
    pub clock_jumps: Vec<ClockJump>,
}

impl Coverage {
    /// Whether the client collected nothing at that moment.
    pub fn is_gap(&self, moment: Timestamp) -> bool {
        let mut gaps = self.gaps.iter();
        gaps.any(|gap| gap.from <= moment && moment < gap.to)
    }

    /// Seconds without collection between two moments, rounded down.
    pub fn down_between(&self, from: Timestamp, to: Timestamp) -> u64 {
        let mut down = SignedDuration::ZERO;
        let mut counted = from;
        for gap in &self.gaps {
            let begin = gap.from.max(counted);
            let end = gap.to.min(to);
            if begin < end {
                down += end.duration_since(begin);
                counted = end;
            }
        }
        u64::try_from(down.as_secs()).unwrap_or_default()
    }
}

/// Reads the journal of one client, in the order of time. Events before `from` are welcome: they say what the client was
/// doing when the range began. None if the client gave no sign of life before `to`.
pub(crate) fn coverage<'e>(
    client_id: &str,
    events: impl IntoIterator<Item = &'e JournalEvent>,
    quiet: &QuietTimes,
    from: Timestamp,
    to: Timestamp,
) -> Option<Coverage> {
    let mut watch = Watch::new(quiet);
    for event in events {
        if event.at < to {
            watch.on(event);
        }
    }
    let first_sign = [watch.first_event, quiet.first_record()];
    let from = first_sign.into_iter().flatten().min()?.max(from);
    if from >= to {
        return None;
    }
    let (mut gaps, mut clock_jumps) = watch.finish(to);
    for gap in &mut gaps {
        gap.from = gap.from.max(from);
        gap.to = gap.to.min(to);
    }
    gaps.retain(|gap| gap.from < gap.to);
    gaps.sort_by_key(|gap| (gap.from, gap.to));
    clock_jumps.retain(|jump| jump.at >= from);
    let mut coverage = Coverage {
        client_id: client_id.to_owned(),
        from,
        to,
        down_seconds: 0,
        share: None,
        gaps,
        clock_jumps,
    };
    coverage.down_seconds = coverage.down_between(from, to);
    let all = u64::try_from(to.duration_since(from).as_secs()).unwrap_or_default();
    coverage.share = share(all.saturating_sub(coverage.down_seconds), all);
    Some(coverage)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feed {
    None,
    Parent,
    Server,
}

#[derive(Debug)]
struct Open {
    from: Timestamp,
    reason: &'static str,
    detail: String,
    /// Only `started` ends it.
    halted: bool,
}

/// What a client is doing while its journal goes by.
#[derive(Debug)]
struct Watch<'q> {
    quiet: &'q QuietTimes,
    feed: Feed,
    open: Option<Open>,
    first_event: Option<Timestamp>,
    last_event: Option<Timestamp>,
    gaps: Vec<Gap>,
    clock_jumps: Vec<ClockJump>,
}

impl<'q> Watch<'q> {
    fn new(quiet: &'q QuietTimes) -> Self {
        Self {
            quiet,
            feed: Feed::None,
            open: None,
            first_event: None,
            last_event: None,
            gaps: Vec::new(),
            clock_jumps: Vec::new(),
        }
    }

    fn on(&mut self, event: &JournalEvent) {
        let JournalEvent {
            client_id: _,
            at,
            kind,
            detail,
        } = event;
        let at = *at;
        match kind.as_str() {
            "started" => {
                if self.open.is_none()
                    && let Some(last) = self.last_sign(at)
                {
                    self.gap(last, at, "not running", "it ended without a word", false);
                }
                self.end(at);
                self.begin(at, "starting", detail, false);
                self.feed = Feed::None;
            }
            "parent found" => self.fed(at, Feed::Parent),
            "became root" => self.fed(at, Feed::Server),
            "parent lost" => {
                let silent = detail == SILENCE;
                let since = if silent {
                    before(at, SILENCE_IS_NOTICED_AFTER)
                } else {
                    at
                };
                self.begin(since, "parent lost", detail, false);
                self.feed = Feed::None;
            }
            "disconnected" if self.feed == Feed::Server => {
                self.begin(at, "server lost", detail, false);
                self.feed = Feed::None;
            }
            "refused" | "stopped" => {
                // A refused collector stops, too: the refusal is the reason.
                if !self.open.as_ref().is_some_and(|open| open.halted) {
                    self.end(at);
                }
                let reason = if kind == "refused" {
                    "refused"
                } else {
                    "stopped"
                };
                self.begin(at, reason, detail, true);
                self.feed = Feed::None;
            }
            "spool waited" => {
                let waited = SignedDuration::from_secs(leading_number(detail));
                self.gap(before(at, waited), at, "spool waited", detail, false);
            }
            "clock jumped" => self.clock_jumps.push(ClockJump {
                at,
                detail: detail.clone(),
            }),
            _ => {}
        }
        self.first_event.get_or_insert(at);
        self.last_event = Some(at);
    }

    fn last_sign(&self, before: Timestamp) -> Option<Timestamp> {
        self.last_event.max(self.quiet.last_record(before))
    }

    /// A gap that is already there goes on for its own reason.
    fn begin(&mut self, from: Timestamp, reason: &'static str, detail: &str, halted: bool) {
        self.open.get_or_insert_with(|| Open {
            from,
            reason,
            detail: detail.to_owned(),
            halted,
        });
    }

    fn fed(&mut self, at: Timestamp, feed: Feed) {
        if !self.open.as_ref().is_some_and(|open| open.halted) {
            self.end(at);
        }
        self.feed = feed;
    }

    fn end(&mut self, at: Timestamp) {
        if let Some(open) = self.open.take() {
            self.gap(open.from, at, open.reason, &open.detail, false);
        }
    }

    fn gap(&mut self, from: Timestamp, to: Timestamp, reason: &str, detail: &str, open: bool) {
        self.gaps.push(Gap {
            from,
            to,
            reason: reason.to_owned(),
            detail: detail.to_owned(),
            open,
        });
    }

    fn finish(mut self, to: Timestamp) -> (Vec<Gap>, Vec<ClockJump>) {
        if let Some(open) = self.open.take() {
            self.gap(open.from, to, open.reason, &open.detail, true);
        } else if let Some(last) = self.last_sign(to)
            && to.duration_since(last) > SIGN_OF_LIFE
        {
            self.gap(
                last,
                to,
                "nothing heard",
                "no record, and no word that it stopped",
                true,
            );
        }
        (self.gaps, self.clock_jumps)
    }
}

/// The beginning of time, if it would be even earlier.
fn before(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.checked_sub(duration).unwrap_or(Timestamp::MIN)
}

/// The number that a detail begins with; 0 without one.
pub(crate) fn leading_number(detail: &str) -> i64 {
    let digits = detail.bytes().take_while(u8::is_ascii_digit).count();
    detail
        .get(..digits)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::quiet::{DAY, at};
    use super::*;

    /// A moment of the first of October, from hours, minutes, seconds.
    fn t(hour: u32, minute: u32, second: u32) -> Timestamp {
        at(date(2026, 10, 1), hour * 3600 + minute * 60 + second)
    }

    fn event(at: Timestamp, kind: &str, detail: &str) -> JournalEvent {
        JournalEvent {
            client_id: "a".into(),
            at,
            kind: kind.into(),
            detail: detail.into(),
        }
    }

    /// Records in every second of the first of October, but for these.
    fn all_day_but(quiet: &[(u32, u32)]) -> QuietTimes {
        let mut times = QuietTimes::default();
        times.insert(date(2026, 10, 1), quiet.to_vec());
        times
    }

    fn read(events: &[JournalEvent], quiet: &QuietTimes) -> Coverage {
        coverage("a", events, quiet, t(0, 0, 0), t(24, 0, 0)).unwrap()
    }

    fn gaps(coverage: &Coverage) -> Vec<(Timestamp, Timestamp, &str)> {
        let gaps = coverage.gaps.iter();
        gaps.map(|gap| (gap.from, gap.to, gap.reason.as_str()))
            .collect()
    }

    #[test]
    fn from_started_to_a_source_and_from_stopped_to_started() {
        let events = [
            event(t(1, 0, 0), "started", ""),
            event(t(1, 0, 5), "connected", ""),
            event(t(1, 0, 30), "parent found", "level 2"),
            event(t(2, 0, 0), "stopped", ""),
            event(t(3, 0, 0), "started", ""),
            event(t(3, 1, 0), "became root", ""),
        ];
        let found = read(&events, &all_day_but(&[(0, 3700), (7200, 10_860)]));
        let wanted = [
            (t(1, 0, 0), t(1, 0, 30), "starting"),
            (t(2, 0, 0), t(3, 0, 0), "stopped"),
            (t(3, 0, 0), t(3, 1, 0), "starting"),
        ];
        assert_eq!(gaps(&found), wanted);
        // It began to exist at one o'clock: before that there is no gap.
        assert_eq!((found.from, found.to), (t(1, 0, 0), t(24, 0, 0)));
        assert_eq!(found.down_seconds, 30 + 3600 + 60);
        let share = found.share.unwrap();
        assert!((share - (1.0 - 3690.0 / 82_800.0)).abs() < 1e-6, "{share}");
    }

    #[test]
    fn a_crash_counts_from_the_last_record_before_the_start() {
        let before = [event(
            t(0, 0, 0) - SignedDuration::from_hours(50),
            "parent found",
            "level 1",
        )];
        let events = [
            before,
            [event(t(10, 0, 0), "started", "")],
            [event(t(10, 0, 9), "parent found", "")],
        ]
        .concat();
        // The last record came in the second 9:30:00.
        let quiet = all_day_but(&[(34_201, 36_009)]);
        let wanted = [
            (t(9, 30, 1), t(10, 0, 0), "not running"),
            (t(10, 0, 0), t(10, 0, 9), "starting"),
        ];
        let found = read(&events, &quiet);
        assert_eq!(gaps(&found), wanted);
        assert_eq!(found.from, t(0, 0, 0));
        // Without a record of the day: since its beginning.
        let mut quiet = QuietTimes::default();
        quiet.insert(date(2026, 10, 1), vec![(0, 36_009)]);
        assert_eq!(
            gaps(&read(&events, &quiet))[0],
            (t(0, 0, 0), t(10, 0, 0), "not running")
        );
    }

    #[test]
    fn a_lost_parent_is_a_gap_and_silence_began_a_minute_earlier() {
        let events = [
            event(t(0, 0, 0), "parent found", ""),
            event(t(5, 0, 0), "parent lost", "it closed the connection"),
            event(t(5, 10, 0), "became root", ""),
            event(t(6, 0, 0), "parent found", ""),
            event(t(7, 0, 0), "parent lost", SILENCE),
            event(t(7, 0, 20), "parent found", ""),
        ];
        let wanted = [
            (t(5, 0, 0), t(5, 10, 0), "parent lost"),
            (t(6, 59, 0), t(7, 0, 20), "parent lost"),
        ];
        let found = read(&events, &all_day_but(&[]));
        assert_eq!(gaps(&found), wanted);
        assert_eq!(found.down_seconds, 600 + 80);
    }

    #[test]
    fn the_server_going_is_a_gap_only_where_it_was_the_source() {
        let events = [
            event(t(0, 0, 0), "parent found", ""),
            event(t(1, 0, 0), "disconnected", "reset"),
            event(t(1, 5, 0), "connected", ""),
            event(t(2, 0, 0), "became root", ""),
            event(t(3, 0, 0), "disconnected", "reset"),
            event(t(3, 1, 0), "disconnected", "cannot connect"),
            event(t(3, 5, 0), "connected", ""),
            event(t(3, 6, 0), "parent found", ""),
        ];
        let found = read(&events, &all_day_but(&[]));
        assert_eq!(gaps(&found), [(t(3, 0, 0), t(3, 6, 0), "server lost")]);
        assert_eq!(found.gaps[0].detail, "reset");
    }

    #[test]
    fn refused_lasts_until_the_next_start_and_goes_on_if_there_is_none() {
        let events = [
            event(t(0, 0, 0), "parent found", ""),
            event(t(4, 0, 0), "refused", "INVALIDPASS"),
            event(t(4, 0, 1), "parent found", ""),
            event(t(4, 0, 2), "stopped", ""),
        ];
        let found = read(&events, &all_day_but(&[(14_400, DAY)]));
        assert_eq!(gaps(&found), [(t(4, 0, 0), t(24, 0, 0), "refused")]);
        assert!(found.gaps[0].open);
        assert_eq!(found.down_seconds, 20 * 3600);
    }

    #[test]
    fn a_wait_for_the_spool_ends_where_it_stands_and_counts_once_where_gaps_overlap() {
        let events = [
            event(t(0, 0, 0), "parent found", ""),
            event(t(8, 0, 0), "parent lost", "closed"),
            event(t(8, 1, 0), "spool waited", "90 s"),
            event(t(8, 2, 0), "parent found", ""),
            event(t(9, 0, 0), "clock jumped", "-3600 s"),
        ];
        let found = read(&events, &all_day_but(&[]));
        let wanted = [
            (t(7, 59, 30), t(8, 1, 0), "spool waited"),
            (t(8, 0, 0), t(8, 2, 0), "parent lost"),
        ];
        assert_eq!(gaps(&found), wanted);
        assert_eq!(found.down_seconds, 150);
        assert_eq!(found.down_between(t(8, 0, 30), t(8, 1, 30)), 60);
        assert!(found.is_gap(t(7, 59, 30)) && !found.is_gap(t(8, 2, 0)));
        assert_eq!(found.clock_jumps[0].detail, "-3600 s");
        // Nonsense is no reason to fail.
        let events = [
            event(t(0, 0, 0), "parent found", ""),
            event(t(8, 0, 0), "spool waited", &format!("{} s", i64::MAX)),
            event(t(9, 0, 0), "spool waited", "long"),
        ];
        let found = read(&events, &all_day_but(&[]));
        assert_eq!(gaps(&found), [(t(0, 0, 0), t(8, 0, 0), "spool waited")]);
    }

    #[test]
    fn who_falls_silent_for_good_is_not_taken_for_collecting() {
        let events = [event(t(0, 0, 0), "parent found", "")];
        let found = read(&events, &all_day_but(&[(72_000, DAY)]));
        assert_eq!(gaps(&found), [(t(20, 0, 0), t(24, 0, 0), "nothing heard")]);
        // Within the hour it may be alive.
        let found = read(&events, &all_day_but(&[(82_801, DAY)]));
        assert_eq!(gaps(&found), []);
        assert_eq!(found.share, Some(1.0));
    }

    #[test]
    fn without_a_journal_the_records_are_the_only_signs() {
        let found = read(&[], &all_day_but(&[(0, 600)]));
        assert_eq!((found.from, found.down_seconds), (t(0, 10, 0), 0));
        assert_eq!(
            coverage("a", &[], &QuietTimes::default(), t(0, 0, 0), t(1, 0, 0)),
            None
        );
        let later = [event(t(2, 0, 0), "started", "")];
        assert_eq!(
            coverage("a", &later, &QuietTimes::default(), t(0, 0, 0), t(1, 0, 0)),
            None
        );
    }
}
