//! Figures and states in words.

use jiff::Timestamp;

use crate::commands::monitor::snapshot::{Phase, Region};

/// What stands where nothing is known.
pub(in crate::commands::monitor) const NOTHING: &str = "–";

/// `12,345`
pub(in crate::commands::monitor) fn count(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

pub(in crate::commands::monitor) fn count_or_nothing(number: Option<u64>) -> String {
    number.map_or_else(|| NOTHING.to_owned(), count)
}

pub(in crate::commands::monitor) fn bytes(number: i64) -> String {
    indicatif::DecimalBytes(number.try_into().unwrap_or_default()).to_string()
}

/// `29.8`, or with thousands no fraction.
pub(in crate::commands::monitor) fn rate(rate: Option<f64>) -> String {
    match rate {
        None => NOTHING.to_owned(),
        Some(rate) if rate < 1000.0 => format!("{rate:.1}"),
        Some(rate) => format!("{rate:.0}"),
    }
}

/// `€42.97`
pub(in crate::commands::monitor) fn money(amount: &str, currency: &str) -> String {
    match currency {
        "EUR" => format!("€{amount}"),
        "USD" => format!("${amount}"),
        other => format!("{amount} {other}"),
    }
}

/// How long ago, as far as people want to know.
pub(in crate::commands::monitor) fn ago(then: Option<Timestamp>, now: Timestamp) -> String {
    let Some(then) = then else {
        return NOTHING.to_owned();
    };
    match u64::try_from(now.as_second() - then.as_second()).unwrap_or(0) {
        ..5 => "now".to_owned(),
        passed => seconds(passed),
    }
}

/// So many seconds ago.
pub(in crate::commands::monitor) fn seconds(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86400),
    }
}

/// Where a region is in the network.
pub(in crate::commands::monitor) fn state(region: &Region) -> String {
    if region.stalled {
        return "cannot write".to_owned();
    }
    match region.phase {
        Phase::Root => "branch root".to_owned(),
        Phase::Fed => match region.branch_level {
            Some(level) => format!("parent, level {level}"),
            None => "parent found".to_owned(),
        },
        Phase::Searching => "no parent yet".to_owned(),
        Phase::Disconnected => "not connected".to_owned(),
        Phase::Unreachable => "no answer".to_owned(),
        Phase::Unknown => "not watched".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_honest() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let before = |seconds: i64| {
            ago(
                Some(Timestamp::from_second(1_000_000 - seconds).unwrap()),
                now,
            )
        };
        assert_eq!(
            [-1, 4, 5, 119].map(before),
            ["now", "now", "5 s ago", "119 s ago"]
        );
        assert_eq!(
            [120, 7199, 7200].map(before),
            ["2 min ago", "119 min ago", "2 h ago"]
        );
        assert_eq!([172_799, 172_800].map(before), ["47 h ago", "2 d ago"]);
        assert_eq!(ago(None, now), NOTHING);
        assert_eq!(
            [Some(0.04), Some(29.84), Some(1234.5), None].map(rate),
            ["0.0", "29.8", "1234", NOTHING]
        );
        assert_eq!(
            [money("5.90", "EUR"), money("5.00", "CHF")],
            ["€5.90", "5.00 CHF"]
        );
        assert_eq!(
            (count(1_234_567), bytes(900_000_000)),
            ("1,234,567".to_owned(), "900.00 MB".to_owned())
        );
    }
}
