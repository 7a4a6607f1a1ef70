//! Numbers, times and texts as people read them.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::super::sketch::Estimate;

/// Longer texts are cut on the page.
const LONGEST: usize = 160;

/// As a coordinate.
#[expect(
    clippy::cast_precision_loss,
    reason = "a coordinate needs no more than four digits"
)]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

/// 1234567 as 1,234,567.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// 1234567 as 1.23 M: three digits that matter.
pub(crate) fn short(number: f64) -> String {
    let (scaled, unit) = match number {
        n if n >= 999.5e6 => (n / 1e9, "\u{202f}G"),
        n if n >= 999.5e3 => (n / 1e6, "\u{202f}M"),
        n if n >= 9_999.5 => (n / 1e3, "\u{202f}k"),
        n => return self::number(whole(n)),
    };
    let digits = match scaled {
        s if s >= 99.95 => 0,
        s if s >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{scaled:.digits$}");
    let text = if digits > 0 {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}{unit}")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small and not negative"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

/// 0.98765 as 98.8 %; never rounds to all or nothing what is not.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if share >= 1.0 || share <= 0.0 {
        format!("{percent:.0}\u{202f}%")
    } else if percent > 99.9 {
        ">\u{202f}99.9\u{202f}%".to_owned()
    } else if percent < 0.1 {
        "<\u{202f}0.1\u{202f}%".to_owned()
    } else {
        format!("{percent:.1}\u{202f}%")
    }
}

/// The number, with ± its standard error if it was not counted.
pub(crate) fn estimate(estimate: Estimate) -> String {
    if estimate.is_exact() {
        number(estimate.value)
    } else {
        format!(
            "{} ± {}",
            number(estimate.value),
            number(estimate.standard_error)
        )
    }
}

/// The two largest units.
pub(crate) fn duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes, seconds % 60) {
        (0, 0, 0, s) => format!("{s}\u{202f}s"),
        (0, 0, m, s) => format!("{m}\u{202f}min {s}\u{202f}s"),
        (0, h, m, _) => format!("{h}\u{202f}h {m}\u{202f}min"),
        (d, h, ..) => format!("{d}\u{202f}d {h}\u{202f}h"),
    }
}

/// Milliseconds, with a proper minus.
pub(crate) fn delay(ms: i64) -> String {
    let sign = if ms < 0 { "−" } else { "" };
    let ms = ms.unsigned_abs();
    if ms < 1000 {
        format!("{sign}{ms}\u{202f}ms")
    } else {
        format!("{sign}{:.1}\u{202f}s", float(ms) / 1000.0)
    }
}

/// 3 Oct.
pub(crate) fn day(day: Date) -> String {
    day.strftime("%-d %b").to_string()
}

/// 3 October 2026.
pub(crate) fn long_day(day: Date) -> String {
    day.strftime("%-d %B %Y").to_string()
}

/// 2026-10-03 14:05:09.
pub(crate) fn moment(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Days as ranges: 3 Oct, 5–9 Oct.
pub(crate) fn days(days: &[Date]) -> String {
    let mut ranges: Vec<(Date, Date)> = Vec::new();
    for &day in days {
        match ranges.last_mut() {
            Some((_, last)) if last.tomorrow().ok() == Some(day) => *last = day,
            _ => ranges.push((day, day)),
        }
    }
    let texts = ranges.into_iter().map(|(first, last)| {
        if first == last {
            day(first)
        } else if (first.year(), first.month()) == (last.year(), last.month()) {
            format!("{}–{}", first.day(), day(last))
        } else {
            format!("{} – {}", day(first), day(last))
        }
    });
    texts.collect::<Vec<_>>().join(", ")
}

/// What people typed, safe to look at: what would be invisible or turn the rest of the line round is shown as a sign,
/// and very long texts are cut. Markup is the template's concern.
pub(crate) fn visible(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST).map(sign).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

fn sign(c: char) -> char {
    match c {
        // Unicode has pictures for the control characters.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{fdd0}'..='\u{fdef}' => '\u{fffd}',
        c if u32::from(c) & 0xfffe == 0xfffe => '\u{fffd}',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn numbers_are_short_and_right() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(number),
            ["0", "999", "1,000", "1,234,567"]
        );
        let wanted = [
            "0",
            "9,999",
            "10\u{202f}k",
            "123\u{202f}k",
            "1\u{202f}M",
            "1.23\u{202f}M",
            "2.5\u{202f}G",
        ];
        let numbers = [
            0.0,
            9999.0,
            10_000.0,
            123_456.0,
            999_900.0,
            1_234_567.0,
            2.5e9,
        ];
        assert_eq!(numbers.map(short), wanted);
        let wanted = [
            "0\u{202f}%",
            "<\u{202f}0.1\u{202f}%",
            "98.8\u{202f}%",
            ">\u{202f}99.9\u{202f}%",
            "100\u{202f}%",
        ];
        assert_eq!([0.0, 0.0004, 0.98765, 0.9999, 1.0].map(percent), wanted);
    }

    #[test]
    fn times_have_two_units() {
        let wanted = [
            "0\u{202f}s",
            "1\u{202f}min 5\u{202f}s",
            "2\u{202f}h 0\u{202f}min",
            "3\u{202f}d 4\u{202f}h",
        ];
        assert_eq!(
            [0, 65, 7200, 273_700].map(|s| duration(SignedDuration::from_secs(s))),
            wanted
        );
        assert_eq!(
            [-300, 999, 1500].map(delay),
            ["−300\u{202f}ms", "999\u{202f}ms", "1.5\u{202f}s"]
        );
    }

    #[test]
    fn neighbouring_days_are_a_range() {
        let list = [
            date(2026, 10, 1),
            date(2026, 10, 3),
            date(2026, 10, 4),
            date(2026, 10, 31),
            date(2026, 11, 1),
        ];
        assert_eq!(days(&list), "1 Oct, 3–4 Oct, 31 Oct – 1 Nov");
    }

    #[test]
    fn what_cannot_be_seen_is_shown() {
        assert_eq!(
            visible("a\0b\tc\u{7f}\u{202e}d\u{ffff}"),
            "a␀b␉c␡\u{fffd}d\u{fffd}"
        );
        assert_eq!(visible("<b>ünïcödé 東京 👩‍🎤"), "<b>ünïcödé 東京 👩‍🎤");
        assert_eq!(visible(&"é".repeat(5000)).chars().count(), 161);
    }
}
