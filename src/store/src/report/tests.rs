//! Days and ranges: by hand, and against a computation that goes through all rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::quiet::{DAY, at};
use super::*;
use crate::{Row, Source};

const FIRST: Date = date(2026, 10, 1);

fn moment(day: Date, ms: u32) -> Timestamp {
    at(day, 0) + SignedDuration::from_millis(ms.into())
}

/// A search at a millisecond of the first of October.
fn row(client: &str, ms: u32, user: &str, token: u32, query: &str) -> Row {
    Row {
        client_id: client.into(),
        spool: Arc::from("5b"),
        seq: 1,
        received_at: moment(FIRST, ms).as_microsecond(),
        username: user.into(),
        query: query.into(),
        query_raw: None,
        token,
        source: Source::Parent,
        branch_level: 1,
        canary: false,
    }
}

fn on(day: Date, row: Row) -> Row {
    let later = at(day, 0).duration_since(at(FIRST, 0));
    let received_at = row.received_at + i64::try_from(later.as_micros()).unwrap();
    Row { received_at, ..row }
}

fn figures(day: Date, rows: &[Row]) -> DayFigures {
    let mut builder = DayBuilder::new(day, DayOptions { stable_names: true });
    for row in rows {
        builder.push(row).unwrap();
    }
    builder.finish()
}

/// Long after the days of the tests.
fn options(from: Date, to: Date) -> ReportOptions {
    ReportOptions::new(from, to, at(date(2027, 1, 1), 0))
}

fn exact(value: u64) -> Estimate {
    Estimate {
        value,
        standard_error: 0,
    }
}

fn event(client: &str, at: Timestamp, kind: &str, detail: &str) -> JournalEvent {
    JournalEvent {
        client_id: client.into(),
        at,
        kind: kind.into(),
        detail: detail.into(),
    }
}

/// Three regions, six searches of the network, ten records and a canary.
fn a_day() -> Vec<Row> {
    vec![
        // All three hear it, in two hours.
        row("north", 3_599_000, "u1", 7, "Blue  Train"),
        row("south", 3_600_500, "u1", 7, "Blue  Train"),
        row("east", 3_599_900, "u1", 7, "Blue  Train"),
        // A repetition in the north.
        row("north", 3_650_000, "u1", 7, "Blue  Train"),
        // The same user again, much later: another search, heard by one.
        row("north", 7_300_000, "u1", 7, "Blue  Train"),
        // Others with the same query, in another case.
        Row {
            source: Source::Server,
            ..row("south", 5_000, "u2", 1, "blue train")
        },
        row("east", 5_500, "u2", 1, "blue train"),
        Row {
            source: Source::Direct,
            ..row("north", 10_000, "u3", 9, " BLUE TRAIN")
        },
        row("north", 20_000, "u3", 10, "a b c d"),
        // 25 words.
        row("south", 86_399_999, "u4", 11, &"x ".repeat(25)),
        Row {
            canary: true,
            ..row("east", 40_000, "fleet", 99, "canary")
        },
    ]
}

#[test]
fn the_figures_of_a_day_by_hand() {
    let day = figures(FIRST, &a_day());
    assert_eq!((day.version, day.day, day.records), (1, FIRST, 11));
    let north = &day.clients["north"];
    assert_eq!(north.searches, 5);
    assert_eq!(north.hours[..4], [3, 1, 1, 0]);
    assert_eq!(north.hours.iter().sum::<u64>(), 5);
    assert_eq!(north.duplicates, 1);
    assert_eq!((north.sources.parent, north.sources.direct), (4, 1));
    assert_eq!(north.users.as_ref().unwrap().estimate(), exact(2));
    assert_eq!(north.queries.estimate(), exact(2));
    assert_eq!(north.words[..5], [0, 0, 4, 0, 1]);
    assert_eq!(north.longest_query, 11);
    let south = &day.clients["south"];
    assert_eq!((south.searches, south.duplicates), (3, 0));
    assert_eq!((south.sources.parent, south.sources.server), (2, 1));
    assert_eq!((south.words[2], south.words[20]), (2, 1));
    assert_eq!(south.longest_query, 50);
    assert_eq!(south.quiet, [(6, 3600), (3601, 86_399)]);
    // The canary counts nowhere but for the sign of life.
    let east = &day.clients["east"];
    assert_eq!(east.searches, 2);
    assert_eq!(east.quiet, [(6, 40), (41, 3599), (3600, DAY)]);
    assert_eq!(day.users.as_ref().unwrap().estimate(), exact(4));
    assert_eq!(day.queries.estimate(), exact(3));

    let top = day.top.iter();
    let top: Vec<_> = top
        .map(|top| (top.query.as_str(), top.searches, top.users.estimate()))
        .collect();
    assert_eq!(top, [("blue train", 8, exact(3))]);
    assert!(!day.top_is_cut);
    let sets = day.seen_by.iter();
    let sets: Vec<_> = sets
        .map(|set| (set.clients.join(" "), set.searches))
        .collect();
    let wanted = [
        ("east north south", 1),
        ("east south", 1),
        ("north", 3),
        ("south", 1),
    ];
    assert_eq!(sets, wanted.map(|(set, n)| (set.to_owned(), n)));
    let canary = CanarySeen {
        client_id: "east".into(),
        token: 99,
        query: "canary".into(),
        at: moment(FIRST, 40_000).as_microsecond(),
    };
    assert_eq!(day.canaries, [canary]);
}

#[test]
fn the_order_of_the_rows_does_not_matter_and_the_json_holds_everything() {
    let mut rows = a_day();
    let day = figures(FIRST, &rows);
    rows.reverse();
    assert_eq!(figures(FIRST, &rows), day);
    rows.sort_by(|a, b| a.username.cmp(&b.username));
    assert_eq!(figures(FIRST, &rows), day);
    let json = day.to_json().unwrap();
    assert_eq!(DayFigures::from_json(&json).unwrap(), day);
    let newer = json.replacen("\"version\":1", "\"version\":2", 1);
    assert!(matches!(
        DayFigures::from_json(&newer),
        Err(DayError::Version(2))
    ));
    assert!(matches!(
        DayFigures::from_json("{}"),
        Err(DayError::Json(_))
    ));
}

#[test]
fn rows_of_another_day_and_a_65th_client_are_refused() {
    let mut builder = DayBuilder::new(FIRST, DayOptions { stable_names: true });
    for ms in [0, DAY * 1000 - 1] {
        builder.push(&row("a", ms, "u", 1, "q")).unwrap();
    }
    for micros in [-1, i64::from(DAY) * 1_000_000] {
        let mut stray = row("a", 0, "u", 1, "q");
        stray.received_at += micros;
        let error = builder.push(&stray).unwrap_err();
        assert_eq!(
            error.to_string(),
            "record 1 of a does not belong to 2026-10-01"
        );
    }
    for n in 1..64 {
        builder
            .push(&row(&format!("r{n}"), 5, "u", 1, "q"))
            .unwrap();
    }
    let error = builder.push(&row("r64", 5, "u", 1, "q")).unwrap_err();
    assert!(matches!(error, DayError::TooManyClients(_)), "{error}");
    let day = builder.finish();
    assert_eq!(day.records, 65);
    // All but the row at the end of the day are one search.
    let most = day.seen_by.iter().map(|set| set.clients.len()).max();
    assert_eq!(most, Some(64));
}

/// Each fernet pseudonym differs, also of one person: seven of them are no seven users.
#[test]
fn a_single_fernet_pseudonym_makes_a_day_that_says_nothing_of_users() {
    let mut rows = vec![row("south", 0, "u1", 7, "blue train")];
    for n in 1..8 {
        let user = format!("gAAAAABo{n}aaaaaaaaaaaaaaaa");
        rows.push(row("north", n * 1000, &user, n, "blue train"));
    }
    let day = figures(FIRST, &rows);
    assert!(!day.stable_names && day.top.is_empty() && !day.top_is_cut);
    assert!(day.users.is_none());
    assert!(day.clients.values().all(|client| client.users.is_none()));
    assert_eq!(day.clients["north"].searches, 7);
    // Wherever it stands among the rows.
    rows.reverse();
    assert_eq!(figures(FIRST, &rows), day);
    let report = Report::merge([day], &[], options(FIRST, FIRST));
    assert!(report.top_queries.is_empty() && report.totals.users.is_none());
}

/// With fernet the same name is never the same text.
#[test]
fn without_stable_names_nothing_is_said_of_users() {
    let rows = [
        row("a", 0, "x1", 5, "q"),
        row("b", 9, "x2", 5, "q"),
        row("a", 100, "x3", 5, "q"),
        row("a", 100, "x4", 6, "q"),
    ];
    let mut builder = DayBuilder::new(
        FIRST,
        DayOptions {
            stable_names: false,
        },
    );
    for row in &rows {
        builder.push(row).unwrap();
    }
    let day = builder.finish();
    assert_eq!(day.users, None);
    assert_eq!(day.clients["a"].users, None);
    assert_eq!(day.top, []);
    assert_eq!(day.clients["a"].duplicates, 1);
    let sets: Vec<_> = day
        .seen_by
        .iter()
        .map(|set| (set.clients.len(), set.searches))
        .collect();
    assert_eq!(sets, [(1, 1), (2, 1)]);
    // One such day, and the range has no users either.
    let second = date(2026, 10, 2);
    let other = figures(second, &[on(second, row("a", 0, "u", 1, "q"))]);
    let report = Report::merge([day, other], &[], options(FIRST, second));
    assert_eq!(report.totals.users, None);
    assert_eq!(report.clients[0].users, None);
    assert_eq!(report.days[1].users, Some(exact(1)));
}

/// The first and the third of October, with the second missing and the fourth going on.
fn a_range() -> Report {
    let (third, fourth) = (date(2026, 10, 3), date(2026, 10, 4));
    let later = [
        on(third, row("north", 0, "u5", 1, "blue train")),
        on(third, row("north", 1, "u6", 1, "blue train")),
        on(third, row("south", 1, "u6", 1, "blue train")),
        on(third, row("north", 2, "u6", 2, "one user")),
    ];
    let today = [on(fourth, row("west", 7_200_000, "u9", 1, "new"))];
    let days = [
        figures(fourth, &today),
        figures(FIRST, &a_day()),
        figures(third, &later),
        figures(date(2026, 10, 9), &[]),
    ];
    let mut options = options(FIRST, fourth);
    options.now = at(fourth, 10_800);
    let events = [
        event("north", at(FIRST, 0), "started", ""),
        event("north", at(FIRST, 0), "parent found", ""),
        event("north", at(third, 100), "duplicates", "12"),
        event("north", at(date(2026, 10, 5), 0), "duplicates", "1000"),
        event("north", at(fourth, 3600), "stopped", ""),
        event("west", at(fourth, 7100), "started", ""),
        event("west", at(fourth, 7190), "became root", ""),
    ];
    Report::merge(days, &events, options)
}

#[test]
fn a_range_by_hand() {
    let report = a_range();
    let totals = Totals {
        searches: 10 + 4 + 1,
        different_searches: 6 + 3 + 1,
        users: Some(exact(7)),
        queries: exact(5),
        complete_days: 2,
        incomplete_days: 1,
        missing_days: 1,
    };
    assert_eq!(report.totals, totals);
    let names: Vec<_> = report
        .clients
        .iter()
        .map(|c| c.client_id.as_str())
        .collect();
    assert_eq!(names, ["east", "north", "south", "west"]);
    let north = &report.clients[1];
    assert_eq!(
        (north.searches, north.duplicates, north.duplicates_dropped),
        (8, 1, 12)
    );
    assert_eq!((north.hours[0], north.hours_days), (6, 2));
    assert_eq!(north.users, Some(exact(4)));
    assert_eq!(north.queries, exact(3));
    let west = &report.clients[3];
    assert_eq!((west.hours[2], west.hours_days), (1, 1));

    let days: Vec<_> = report
        .days
        .iter()
        .map(|day| (day.state, day.searches, day.different_searches, day.users))
        .collect();
    let wanted = [
        (DayState::Complete, Some(10), Some(6), Some(exact(4))),
        (DayState::Missing, None, None, None),
        (DayState::Complete, Some(4), Some(3), Some(exact(2))),
        (DayState::Incomplete, Some(1), Some(1), Some(exact(1))),
    ];
    assert_eq!(days, wanted);
    assert_eq!(report.days[1].clients, []);
    // The west is not there before it has begun; the east is, with nothing.
    let third: Vec<_> = report.days[2]
        .clients
        .iter()
        .map(|client| (client.client_id.as_str(), client.searches))
        .collect();
    assert_eq!(third, [("east", 0), ("north", 3), ("south", 1)]);
    let fourth = &report.days[3].clients;
    let down: Vec<_> = fourth.iter().map(|client| client.down_seconds).collect();
    // East and south said nothing for hours; north stopped at one o'clock, west came up at 1:58:20 and heard at 1:59:50.
    assert_eq!(down, [10_800, 7_200, 10_800, 90]);
}

#[test]
fn only_queries_of_enough_users_are_published() {
    let published = |min_users, top| {
        let mut rows = Vec::new();
        for n in 0..6_u32 {
            let name = format!("u{n}");
            rows.push(row("a", n, &name, n, "six users"));
            if n < 5 {
                rows.push(row("a", 50_000 + n, &name, n, "five users"));
            }
            if n < 4 {
                rows.push(row("a", 90_000 + n, &name, n, "four users"));
            }
        }
        // Two users on each of two days are four together.
        let second = date(2026, 10, 2);
        rows.push(row("a", 95_000, "v1", 1, "spread"));
        rows.push(row("a", 95_000, "v2", 1, "spread"));
        let later = ["v3", "v4"].map(|user| on(second, row("a", 5, user, 1, "spread")));
        let days = [figures(FIRST, &rows), figures(second, &later)];
        let options = ReportOptions {
            min_users,
            top,
            ..options(FIRST, second)
        };
        let report = Report::merge(days, &[], options);
        let top = report.top_queries.into_iter();
        let top: Vec<_> = top
            .map(|top| (top.query, top.searches, top.users.value))
            .collect();
        (top, report.withheld_queries, report.unlisted_queries)
    };
    let entry = |query: &str, searches, users| (query.to_owned(), searches, users);
    let (six, five) = (entry("six users", 6, 6), entry("five users", 5, 5));
    let four = [entry("four users", 4, 4), entry("spread", 4, 4)];
    assert_eq!(published(5, 50), (vec![six.clone(), five.clone()], 2, 0));
    assert_eq!(published(5, 1), (vec![six.clone()], 2, 1));
    let all = [vec![six, five], four.to_vec()].concat();
    assert_eq!(published(4, 50), (all, 0, 0));
    assert_eq!(published(7, 50), (vec![], 4, 0));
}

#[test]
fn overlap_by_hand() {
    let overlap = Report::merge([figures(FIRST, &a_day())], &[], options(FIRST, FIRST)).overlap;
    assert_eq!(overlap.searches, 6);
    assert_eq!(overlap.seen_by_regions, [4, 1, 1]);
    let pair = |of, by| {
        let mut pairs = overlap.pairs.iter();
        let pair = pairs.find(|pair| pair.of == of && pair.by == by).unwrap();
        (pair.both, pair.all)
    };
    assert_eq!(pair("north", "south"), (1, 4));
    assert_eq!(pair("south", "north"), (1, 3));
    assert_eq!(pair("south", "east"), (2, 3));
    assert_eq!(pair("east", "south"), (2, 2));
    assert_eq!(overlap.pairs.len(), 6);
    assert_eq!(overlap.sets[0].clients, ["north"]);
}

#[test]
fn canaries_by_hand() {
    let sent = |second, token| {
        let detail = format!("{{\"token\":{token},\"query\":\"c{token}\"}}");
        event("canary", at(FIRST, second), "canary sent", &detail)
    };
    let heard = |client, ms, token: u32| Row {
        canary: true,
        ..row(client, ms, "fleet", token, &format!("c{token}"))
    };
    let mut rows = vec![
        row("north", 0, "u", 1, "q"),
        row("south", 0, "u", 1, "q"),
        row("north", 86_399_000, "u", 1, "q"),
        row("south", 86_399_000, "u", 1, "q"),
        heard("north", 1_000_250, 1),
        // A copy of it.
        heard("north", 1_003_000, 1),
        heard("north", 2_004_000, 2),
        // The clock of the south is behind.
        heard("south", 2_999_700, 3),
        heard("north", 3_000_750, 3),
        // Nobody sent this.
        heard("south", 5, 77),
    ];
    // Sent the day before, heard today: neither counts.
    rows.push(Row {
        canary: true,
        ..row("north", 100, "fleet", 5, "c5")
    });
    let yesterday = at(FIRST, 0) - SignedDuration::from_millis(200);
    let events = [
        event(
            "canary",
            yesterday,
            "canary sent",
            "{\"token\":5,\"query\":\"c5\"}",
        ),
        event("north", at(FIRST, 0), "parent found", ""),
        event("south", at(FIRST, 0), "parent found", ""),
        event("south", at(FIRST, 1500), "parent lost", "closed"),
        event("south", at(FIRST, 2500), "parent found", ""),
        sent(1000, 1),
        sent(2000, 2),
        sent(3000, 3),
        sent(4000, 4),
        event("canary", at(FIRST, 5000), "canary sent", "not JSON"),
    ];
    let report = Report::merge([figures(FIRST, &rows)], &events, options(FIRST, FIRST));
    let canaries = report.canaries;
    assert_eq!((canaries.sent, canaries.unknown), (4, 1));
    let region = |client_id: &str, heard, sent_in_gaps, delays: [i64; 3]| CanaryRegion {
        client_id: client_id.into(),
        sent: 4,
        heard,
        sent_in_gaps,
        delay_min_ms: Some(delays[0]),
        delay_median_ms: Some(delays[1]),
        delay_p95_ms: Some(delays[2]),
    };
    let north = region("north", 3, 0, [250, 750, 4000]);
    let south = region("south", 1, 1, [-300, -300, -300]);
    assert_eq!(canaries.regions, [north, south]);
    // The sender is no region.
    assert_eq!(report.clients.len(), 2);
}

#[test]
fn a_range_without_anything_says_so() {
    let report = Report::merge([], &[], options(FIRST, date(2026, 10, 31)));
    assert_eq!(report.totals.missing_days, 31);
    assert_eq!(report.days.len(), 31);
    assert!(report.days.iter().all(|day| day.searches.is_none()));
    assert_eq!((report.clients.len(), report.coverage.len()), (0, 0));
}

#[test]
fn every_kind_of_report_has_a_page() {
    let nothing = Report::merge([], &[], options(FIRST, FIRST));
    let text = page(&nothing).unwrap();
    assert!(text.contains("No region recorded anything"), "{text}");
    assert!(text.contains("No figures for 1 of 1 days: 1 Oct."));

    let text = page(&a_range()).unwrap();
    for part in [
        "No figures for 1 of 4 days: 2 Oct.",
        "4 Oct had not ended",
        "both regions",
    ] {
        let there = text.contains(part);
        assert_eq!(there, part != "both regions", "{part}");
    }
    assert!(!text.contains("one user"), "fewer than five users typed it");

    let unstable = DayOptions {
        stable_names: false,
    };
    let mut builder = DayBuilder::new(FIRST, unstable);
    // More regions than colours.
    for n in 0..20 {
        let region = format!("<region> {n}");
        builder.push(&row(&region, 0, "x", 1, "q")).unwrap();
    }
    let report = Report::merge([builder.finish()], &[], options(FIRST, FIRST));
    let text = page(&report).unwrap();
    assert!(text.contains("users cannot be counted"));
    assert!(text.contains("&lt;region&gt; 19") && !text.contains("<region>"));
    assert!(!text.contains("What most people searched for"));
    assert!(text.contains("all 20 regions"));
}

#[test]
fn the_json_of_a_report_can_be_read_again() {
    let report = a_range();
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}

/// A search as the random tests make it: day, client, second, user, token, query, canary.
type Random = (i8, u8, u32, u8, u32, u8, bool);

fn random_rows() -> impl Strategy<Value = Vec<Random>> {
    let search = (
        0..3_i8,
        0..4_u8,
        0..600_u32,
        0..6_u8,
        0..2_u32,
        0..4_u8,
        prop::bool::weighted(0.05),
    );
    prop::collection::vec(search, 0..120)
}

fn to_rows(random: &[Random]) -> Vec<(Date, Row)> {
    let queries = ["Blue Train", "blue  train", "Ärzte", "one"];
    let rows = random
        .iter()
        .map(|&(day, client, second, user, token, query, canary)| {
            let day = date(2026, 10, 1 + day);
            let row = Row {
                canary,
                ..row(
                    &format!("c{client}"),
                    second * 1000,
                    &format!("u{user}"),
                    token,
                    queries[usize::from(query)],
                )
            };
            (day, on(day, row))
        });
    rows.collect()
}

/// User, token and query.
type Key = (String, u32, String);

/// Everything again, in the simplest way: a pass over all rows for each question.
#[derive(Debug, Default, PartialEq, Eq)]
struct Brute {
    searches: BTreeMap<String, u64>,
    users: BTreeSet<String>,
    queries: BTreeSet<String>,
    duplicates: BTreeMap<String, u64>,
    sets: BTreeMap<Vec<String>, u64>,
    /// Records and users of the queries of each day that two users typed.
    top: BTreeMap<String, (u64, BTreeSet<String>)>,
    canaries: u64,
}

fn brute(rows: &[(Date, Row)]) -> Brute {
    let mut found = Brute::default();
    let simple = |query: &str| query.to_lowercase().replace("  ", " ");
    let days: BTreeSet<Date> = rows.iter().map(|(day, _)| *day).collect();
    for day in days {
        let mut rows: Vec<&Row> = rows
            .iter()
            .filter(|(on, _)| *on == day)
            .map(|(_, row)| row)
            .collect();
        found.canaries += rows.iter().filter(|row| row.canary).count() as u64;
        rows.retain(|row| !row.canary);
        rows.sort_by(|a, b| (a.received_at, &a.client_id).cmp(&(b.received_at, &b.client_id)));
        let mut of_day: BTreeMap<String, (u64, BTreeSet<String>)> = BTreeMap::new();
        // (first seen, who) of all searches, and (first seen, client) of what each client has seen.
        let mut events: BTreeMap<Key, Vec<(i64, BTreeSet<String>)>> = BTreeMap::new();
        let mut own: BTreeMap<(Key, String), i64> = BTreeMap::new();
        for row in rows {
            let client = row.client_id.to_string();
            *found.searches.entry(client.clone()).or_default() += 1;
            found.users.insert(row.username.clone());
            found.queries.insert(simple(&row.query));
            let top = of_day.entry(simple(&row.query)).or_default();
            top.0 += 1;
            top.1.insert(row.username.clone());
            let key = (row.username.clone(), row.token, row.query.clone());
            let near = |since: i64| row.received_at - since <= 110_000_000;
            let first = own.get(&(key.clone(), client.clone()));
            if first.is_some_and(|&first| near(first)) {
                *found.duplicates.entry(client).or_default() += 1;
                continue;
            }
            own.insert((key.clone(), client.clone()), row.received_at);
            let events = events.entry(key).or_default();
            match events.last_mut().filter(|(began, _)| near(*began)) {
                Some((_, clients)) => {
                    clients.insert(client);
                }
                None => events.push((row.received_at, [client].into())),
            }
        }
        for (_, clients) in events.into_values().flatten() {
            *found.sets.entry(clients.into_iter().collect()).or_default() += 1;
        }
        for (query, (searches, users)) in of_day {
            if users.len() >= 2 {
                let sum = found.top.entry(query).or_default();
                sum.0 += searches;
                sum.1.extend(users);
            }
        }
    }
    found
}

proptest! {
    #[test]
    fn merged_days_equal_a_computation_over_all_rows(random in random_rows()) {
        let rows = to_rows(&random);
        let wanted = brute(&rows);
        let last = date(2026, 10, 3);
        let days = (1..=3).map(|day| {
            let day = date(2026, 10, day);
            let of_day: Vec<Row> = rows.iter().filter(|(on, _)| *on == day).map(|(_, row)| row.clone()).collect();
            let json = figures(day, &of_day).to_json().unwrap();
            DayFigures::from_json(&json).unwrap()
        });
        let report = Report::merge(days, &[], ReportOptions { min_users: 3, ..options(FIRST, last) });

        let searches = report.clients.iter().filter(|client| client.searches > 0);
        let searches: BTreeMap<_, _> = searches.map(|c| (c.client_id.clone(), c.searches)).collect();
        prop_assert_eq!(&searches, &wanted.searches);
        prop_assert_eq!(report.totals.users, Some(exact(wanted.users.len() as u64)));
        prop_assert_eq!(report.totals.queries, exact(wanted.queries.len() as u64));
        let duplicates = report.clients.iter().filter(|client| client.duplicates > 0);
        let duplicates: BTreeMap<_, _> = duplicates.map(|c| (c.client_id.clone(), c.duplicates)).collect();
        prop_assert_eq!(&duplicates, &wanted.duplicates);
        let sets = report.overlap.sets.into_iter();
        let sets: BTreeMap<_, _> = sets.map(|set| (set.clients, set.searches)).collect();
        prop_assert_eq!(&sets, &wanted.sets);
        let top = report.top_queries.into_iter();
        let top: BTreeMap<_, _> = top.map(|top| (top.query, (top.searches, top.users.value))).collect();
        let enough = wanted.top.into_iter().filter(|(_, (_, users))| users.len() >= 3);
        let enough: BTreeMap<_, _> = enough.map(|(query, (n, users))| (query, (n, users.len() as u64))).collect();
        prop_assert_eq!(top, enough);
        prop_assert_eq!(report.canaries.unknown, wanted.canaries);
    }
}
