//! A month of a study that never was: five regions, gaps, canaries, a missing day, a day that goes on, and people who
//! type things that are meant to break the page.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use fleet_store::report::{DayBuilder, DayOptions, JournalEvent, Report, ReportOptions};
use fleet_store::{Row, Source};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

pub(crate) const REGIONS: [&str; 5] = ["brazil", "finland", "germany", "singapore", "us-west"];

/// What people could type to harm whoever opens the page. Each is typed by seven users.
pub(crate) fn hostile() -> Vec<String> {
    vec![
        "<script>document.title='owned'</script>".to_owned(),
        "\"><img src=x onerror=\"document.title='owned'\">".to_owned(),
        "'); drop table searches; -- {{ view }} {% raw %}".to_owned(),
        "</td></table></main><!-- ".to_owned(),
        "&lt;b&gt; &amp;amp; &#x41;".to_owned(),
        "\u{202e}gnp.exe שלום مرحبا".to_owned(),
        "bell\u{7}escape\u{1b}[31m nul\u{0}del\u{7f}".to_owned(),
        "x".repeat(5000),
        "z\u{335}\u{322}\u{321}a\u{335}\u{322}l\u{336}g\u{334}o\u{337}".repeat(30),
    ]
}

fn midnight(day: Date) -> Timestamp {
    day.to_zoned(TimeZone::UTC).unwrap().timestamp()
}

/// splitmix64: looks random, and is the same in every run.
fn spread(n: u64) -> u64 {
    let mut hash = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ hash >> 31
}

/// From the first to the thirtieth of October 2026, which goes on.
pub(crate) fn sample(searches_a_day: u64) -> Report {
    let (from, to) = (date(2026, 10, 1), date(2026, 10, 30));
    let mut options = ReportOptions::new(from, to, midnight(to) + SignedDuration::from_hours(17));
    options.top = 30;
    let mut days = Vec::new();
    let mut events: Vec<JournalEvent> = Vec::new();
    for region in REGIONS {
        events.push(event(
            region,
            midnight(from) - SignedDuration::from_hours(30),
            "parent found",
            "",
        ));
    }
    let mut day = from;
    while day <= to {
        // The twelfth is lost.
        if day.day() != 12 {
            days.push(a_day(day, searches_a_day, options.now, &mut events));
        }
        day = day.tomorrow().unwrap();
    }
    journal(&mut events);
    Report::merge(days, &events, options)
}

fn event(client_id: &str, at: Timestamp, kind: &str, detail: &str) -> JournalEvent {
    JournalEvent {
        client_id: client_id.to_owned(),
        at,
        kind: kind.to_owned(),
        detail: detail.to_owned(),
    }
}

/// When a region is away: Singapore for two days, Brazil for a night, Finland begins on the sixth.
fn away(region: usize, at: Timestamp) -> bool {
    let october = |day, hours| midnight(date(2026, 10, day)) + SignedDuration::from_hours(hours);
    match region {
        0 => at >= october(8, 22) && at < october(9, 7),
        1 => at < october(6, 9),
        3 => at >= october(19, 5) && at < october(21, 8),
        _ => false,
    }
}

fn journal(events: &mut Vec<JournalEvent>) {
    let october = |day, hours| midnight(date(2026, 10, day)) + SignedDuration::from_hours(hours);
    events.retain(|event| event.client_id != "finland" || event.kind == "canary sent");
    events.push(event("finland", october(6, 9), "started", ""));
    events.push(event(
        "finland",
        october(6, 9) + SignedDuration::from_secs(8),
        "parent found",
        "level 3",
    ));
    events.push(event(
        "brazil",
        october(8, 22),
        "parent lost",
        "it closed the connection",
    ));
    events.push(event("brazil", october(9, 7), "parent found", "level 2"));
    events.push(event("singapore", october(19, 5), "stopped", ""));
    events.push(event("singapore", october(21, 7), "started", ""));
    events.push(event("singapore", october(21, 8), "became root", ""));
    for n in 0..40_u32 {
        let at =
            midnight(date(2026, 10, 1)) + SignedDuration::from_secs(i64::from(n) * 62_000 + 4000);
        events.push(event(
            "us-west",
            at,
            "parent lost",
            "it has sent no search for too long",
        ));
        events.push(event(
            "us-west",
            at + SignedDuration::from_mins(i64::from(n % 7) + 1),
            "parent found",
            "",
        ));
    }
    events.push(event("germany", october(14, 3), "clock jumped", "-4 s"));
    for day in 1..=30 {
        events.push(event(
            "germany",
            october(day, 1),
            "duplicates",
            &format!("{}", 40 + u32::from(day.unsigned_abs())),
        ));
    }
}

fn a_day(
    day: Date,
    searches: u64,
    now: Timestamp,
    events: &mut Vec<JournalEvent>,
) -> fleet_store::report::DayFigures {
    let mut builder = DayBuilder::new(day, DayOptions { stable_names: true });
    let seed = u64::from(day.day().unsigned_abs()) * 1_000_000;
    let weekend = matches!(day.weekday().to_monday_one_offset(), 6 | 7);
    let count =
        if weekend { searches * 5 / 4 } else { searches } + spread(seed) % (searches / 12 + 1);
    let hostile = hostile();
    let tomorrow = midnight(day.checked_add(1.day()).unwrap());
    for n in 0..count {
        let random = spread(seed + n);
        // More in the evening than in the morning.
        let mut second = random % 86_400;
        if !spread(random).is_multiple_of(3) {
            second = (spread(random + 4) % 43_200 + spread(random + 5) % 43_200 + 36_000) % 86_400;
        }
        let at = midnight(day) + SignedDuration::from_secs(i64::try_from(second).unwrap());
        let user = spread(random + 1) % (searches * 2);
        let query = match spread(random + 2) % 100 {
            0..6 => [
                "miles davis",
                "aphex twin",
                "boards of canada",
                "nina simone live",
                "john coltrane blue train",
            ][usize::try_from(random % 5).unwrap()]
            .to_owned(),
            6..10 => hostile[usize::try_from(random % 9).unwrap()].clone(),
            10..30 => format!("artist {} album", spread(random + 3) % 900),
            many => format!(
                "{}rare song number {}",
                "the ".repeat(usize::try_from(many % 7).unwrap()),
                random % 1_000_000
            ),
        };
        for (region, name) in REGIONS.iter().enumerate() {
            let heard = spread(random + 10 + u64::try_from(region).unwrap()) % 100
                < [83, 88, 94, 76, 90][region];
            let late = i64::try_from(spread(random + 20) % 900).unwrap()
                + 150 * i64::try_from(region).unwrap();
            let at = at + SignedDuration::from_millis(late);
            if heard && !away(region, at) && at < now && at < tomorrow {
                builder
                    .push(&row(
                        name,
                        at,
                        &format!("user-{user}"),
                        (random & 0xffff_ffff) as u32,
                        &query,
                    ))
                    .unwrap();
            }
        }
    }
    for n in 0..24_u32 {
        let at = midnight(day) + SignedDuration::from_secs(i64::from(n) * 3600 + 600);
        if at > now {
            break;
        }
        let query = format!("canary {day} {n}");
        events.push(event(
            "canary",
            at,
            "canary sent",
            &format!("{{\"token\":{n},\"query\":\"{query}\"}}"),
        ));
        for (region, name) in REGIONS.iter().enumerate() {
            let random = spread(seed + 77 + u64::from(n) * 10 + u64::try_from(region).unwrap());
            let late = i64::try_from(random % 1400 + random % 37 * 30).unwrap()
                + [300, 90, -220, 800, 40][region];
            if !away(region, at) && random % 100 < [81, 89, 95, 74, 90][region] {
                let row = row(
                    name,
                    at + SignedDuration::from_millis(late),
                    "fleet",
                    n,
                    &query,
                );
                builder
                    .push(&Row {
                        canary: true,
                        ..row
                    })
                    .unwrap();
            }
        }
    }
    builder.finish()
}

fn row(client: &str, at: Timestamp, user: &str, token: u32, query: &str) -> Row {
    Row {
        client_id: client.into(),
        spool: Arc::from("5b"),
        seq: 1,
        received_at: at.as_microsecond(),
        username: user.to_owned(),
        query: query.to_owned(),
        query_raw: None,
        token,
        source: if client == "germany" {
            Source::Server
        } else {
            Source::Parent
        },
        branch_level: 2,
        canary: false,
    }
}
