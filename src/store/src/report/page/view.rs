//! What the template shows, as texts and coordinates.

use jiff::civil::Date;
use serde::Serialize;

use super::super::canary::CanaryRegion;
use super::super::range::{DayState, Report, share};
use super::super::sketch::Estimate;
use super::figures::{self, Figure};
use super::timeline::{self, Delays, Timeline};
use super::words::{
    days, delay, duration, estimate, float, long_day, moment, number, percent, short, visible,
};

/// Gaps that the page lists; the JSON has them all.
const GAPS_LISTED: usize = 40;
/// Colours in the style sheet.
const COLOURS: usize = 8;

/// Everything on the page.
#[derive(Debug, Serialize)]
pub(crate) struct View {
    title: String,
    range: String,
    made_at: String,
    notices: Vec<String>,
    numbers: Vec<Number>,
    regions: Vec<Region>,
    figures: Vec<Figure>,
    overlap: Option<OverlapView>,
    timeline: Option<Timeline>,
    gaps: Vec<GapRow>,
    gaps_left_out: String,
    jumps: Vec<[String; 3]>,
    canaries: Option<CanariesView>,
    words: Vec<Bar>,
    top: Vec<TopRow>,
    min_users: u64,
    withheld: String,
    unlisted: String,
    stable_names: bool,
    estimates: bool,
}

/// One of the large numbers at the top.
#[derive(Debug, Serialize)]
struct Number {
    value: String,
    error: String,
    label: String,
    note: String,
}

#[derive(Debug, Serialize)]
struct Region {
    name: String,
    class: String,
    searches: String,
    users: String,
    queries: String,
    covered: String,
    down: String,
    tree: String,
    server: String,
    direct: String,
    duplicates: String,
    dropped: String,
}

/// A bar in a table: its length is a share of the column.
#[derive(Debug, Serialize)]
struct Bar {
    label: String,
    value: String,
    share: String,
    length: f64,
}

#[derive(Debug, Serialize)]
struct OverlapView {
    counts: Vec<Bar>,
    names: Vec<Region2>,
    rows: Vec<Vec<Cell>>,
}

/// A region in the head of the matrix.
#[derive(Debug, Serialize)]
struct Region2 {
    name: String,
    class: String,
}

#[derive(Debug, Serialize)]
struct Cell {
    text: String,
    /// How dark, per cent: never so dark that the text could not be read.
    heat: f64,
    tip: String,
}

#[derive(Debug, Serialize)]
struct GapRow {
    region: String,
    from: String,
    to: String,
    length: String,
    reason: String,
    detail: String,
}

#[derive(Debug, Serialize)]
struct CanariesView {
    sent: String,
    unknown: String,
    rows: Vec<CanaryRow>,
    delays: Option<Delays>,
}

#[derive(Debug, Serialize)]
struct CanaryRow {
    name: String,
    class: String,
    sent: String,
    heard: String,
    share: String,
    interval: String,
    length: f64,
    in_gaps: String,
    min: String,
    median: String,
    p95: String,
}

#[derive(Debug, Serialize)]
struct TopRow {
    query: String,
    users: String,
    searches: String,
    length: f64,
}

/// The class with the colour of a region: always the same on a page.
pub(crate) fn class(index: usize) -> String {
    format!("c{}", index % COLOURS)
}

pub(crate) fn view(report: &Report) -> View {
    let totals = &report.totals;
    let mut gaps: Vec<_> = report
        .coverage
        .iter()
        .flat_map(|coverage| coverage.gaps.iter().map(move |gap| (coverage, gap)))
        .collect();
    // The longest are listed, in the order of time.
    gaps.sort_by_key(|(_, gap)| std::cmp::Reverse(gap.to.duration_since(gap.from)));
    let left_out = gaps.len().saturating_sub(GAPS_LISTED);
    gaps.truncate(GAPS_LISTED);
    gaps.sort_by_key(|(_, gap)| gap.from);
    let gaps = gaps.into_iter().map(|(coverage, gap)| GapRow {
        region: visible(&coverage.client_id),
        from: moment(gap.from),
        to: if gap.open {
            "goes on".to_owned()
        } else {
            moment(gap.to)
        },
        length: duration(gap.to.duration_since(gap.from)),
        reason: gap.reason.clone(),
        detail: visible(&gap.detail),
    });
    let jumps = report.coverage.iter().flat_map(|coverage| {
        let jumps = coverage.clock_jumps.iter();
        jumps.map(|jump| {
            [
                visible(&coverage.client_id),
                moment(jump.at),
                visible(&jump.detail),
            ]
        })
    });
    View {
        title: "Searches on the Soulseek network".to_owned(),
        range: if report.from == report.to {
            long_day(report.from)
        } else {
            format!("{} – {}", long_day(report.from), long_day(report.to))
        },
        made_at: moment(report.made_at),
        notices: notices(report),
        numbers: numbers(report),
        regions: regions(report),
        figures: figures::figures(report),
        overlap: overlap(report),
        timeline: timeline::timeline(report),
        gaps: gaps.collect(),
        gaps_left_out: some_number(left_out as u64),
        jumps: jumps.collect(),
        canaries: canaries(report),
        words: words(report),
        top: top(report),
        min_users: report.min_users,
        withheld: some_number(report.withheld_queries),
        unlisted: some_number(report.unlisted_queries),
        stable_names: totals.users.is_some(),
        estimates: !totals.queries.is_exact()
            || totals.users.is_some_and(|users| !users.is_exact()),
    }
}

/// Nothing for zero, so that the template can leave the sentence out.
fn some_number(count: u64) -> String {
    if count == 0 {
        String::new()
    } else {
        number(count)
    }
}

fn of_state(report: &Report, state: DayState) -> Vec<Date> {
    let days = report.days.iter().filter(|day| day.state == state);
    days.map(|day| day.day).collect()
}

fn notices(report: &Report) -> Vec<String> {
    let mut notices = Vec::new();
    let missing = of_state(report, DayState::Missing);
    if !missing.is_empty() {
        notices.push(format!(
            "No figures for {} of {} days: {}. They are missing, not empty.",
            missing.len(),
            report.days.len(),
            days(&missing),
        ));
    }
    let incomplete = of_state(report, DayState::Incomplete);
    if !incomplete.is_empty() {
        notices.push(format!(
            "{} had not ended when this page was made. Do not compare it with whole days; plots show it hollow.",
            days(&incomplete),
        ));
    }
    if report.totals.users.is_none() {
        notices.push(
            "The pseudonyms in these data change with every search (scheme fernet): users cannot be counted, and no query can be shown to come from several of them."
                .to_owned(),
        );
    }
    notices
}

fn numbers(report: &Report) -> Vec<Number> {
    let totals = &report.totals;
    let mut numbers = vec![
        plain(
            totals.searches,
            "searches recorded",
            "All regions added up: what three regions heard counts three times.",
        ),
        plain(
            totals.different_searches,
            "different searches",
            "What several regions heard counts once.",
        ),
    ];
    if let Some(users) = totals.users {
        numbers.push(estimated(
            users,
            "users",
            "Different pseudonyms that searched at least once.",
        ));
    }
    numbers.push(estimated(
        totals.queries,
        "different queries",
        "Upper and lower case and extra blanks do not count.",
    ));
    let covered = report.coverage.iter().map(|coverage| {
        let all = coverage.to.duration_since(coverage.from).as_secs();
        (
            coverage.down_seconds,
            u64::try_from(all).unwrap_or_default(),
        )
    });
    let (down, all) = covered.fold((0, 0), |(down, all), each| (down + each.0, all + each.1));
    if let Some(up) = share(all.saturating_sub(down), all) {
        numbers.push(Number {
            value: percent(up),
            error: String::new(),
            label: "of the time covered".to_owned(),
            note: "The share of the regions' time in which they were collecting.".to_owned(),
        });
    }
    let by_all = report
        .overlap
        .seen_by_regions
        .last()
        .copied()
        .unwrap_or_default();
    if report.clients.len() > 1
        && let Some(by_all) = share(by_all, totals.different_searches)
    {
        numbers.push(Number {
            value: percent(by_all),
            error: String::new(),
            label: "heard in every region".to_owned(),
            note: match report.clients.len() {
                2 => "Of the different searches, by both regions.".to_owned(),
                all => format!("Of the different searches, by all {all} regions."),
            },
        });
    }
    numbers
}

fn plain(count: u64, label: &str, note: &str) -> Number {
    estimated(
        Estimate {
            value: count,
            standard_error: 0,
        },
        label,
        note,
    )
}

fn estimated(count: Estimate, label: &str, note: &str) -> Number {
    Number {
        value: number(count.value),
        error: if count.is_exact() {
            String::new()
        } else {
            format!("± {}", short(float(count.standard_error)))
        },
        label: label.to_owned(),
        note: note.to_owned(),
    }
}

fn regions(report: &Report) -> Vec<Region> {
    let clients = report.clients.iter().enumerate();
    clients
        .map(|(index, client)| {
            let mut coverage = report.coverage.iter();
            let coverage = coverage.find(|coverage| coverage.client_id == client.client_id);
            let covered = coverage.and_then(|coverage| coverage.share);
            let down = coverage
                .map(|coverage| coverage.down_seconds)
                .unwrap_or_default();
            let down = jiff::SignedDuration::from_secs(i64::try_from(down).unwrap_or_default());
            Region {
                name: visible(&client.client_id),
                class: class(index),
                searches: number(client.searches),
                users: client.users.map_or_else(|| "–".to_owned(), estimate),
                queries: estimate(client.queries),
                covered: covered.map_or_else(|| "–".to_owned(), percent),
                down: duration(down),
                tree: number(client.sources.parent + client.sources.embedded),
                server: number(client.sources.server),
                direct: number(client.sources.direct),
                duplicates: number(client.duplicates),
                dropped: number(client.duplicates_dropped),
            }
        })
        .collect()
}

fn overlap(report: &Report) -> Option<OverlapView> {
    let overlap = &report.overlap;
    if report.clients.len() < 2 || overlap.searches == 0 {
        return None;
    }
    let counts = overlap.seen_by_regions.iter().enumerate();
    let counts = counts.map(|(index, &searches)| {
        let of_all = share(searches, overlap.searches).unwrap_or_default();
        let label = match index + 1 {
            1 => "exactly 1 region".to_owned(),
            2 if report.clients.len() == 2 => "both regions".to_owned(),
            all if all == report.clients.len() => format!("all {all} regions"),
            some => format!("exactly {some} regions"),
        };
        Bar {
            label,
            value: number(searches),
            share: percent(of_all),
            length: hundredths(of_all),
        }
    });
    let row = |of: &str| {
        let cells = report.clients.iter().map(|by| {
            let mut pairs = overlap.pairs.iter();
            let pair = pairs.find(|pair| pair.of == of && pair.by == by.client_id);
            let shared = pair.and_then(|pair| share(pair.both, pair.all));
            match (pair, shared) {
                (Some(pair), Some(shared)) => Cell {
                    text: format!("{:.0}\u{202f}%", shared * 100.0),
                    heat: hundredths(shared * 0.48),
                    tip: format!(
                        "{} of the {} searches\nthat {} heard were heard in {}, too",
                        number(pair.both),
                        number(pair.all),
                        visible(of),
                        visible(&pair.by),
                    ),
                },
                _ => Cell {
                    text: "–".to_owned(),
                    heat: 0.0,
                    tip: String::new(),
                },
            }
        });
        cells.collect()
    };
    let names = report.clients.iter().enumerate();
    Some(OverlapView {
        counts: counts.collect(),
        names: names
            .map(|(index, client)| Region2 {
                name: visible(&client.client_id),
                class: class(index),
            })
            .collect(),
        rows: report
            .clients
            .iter()
            .map(|client| row(&client.client_id))
            .collect(),
    })
}

fn canaries(report: &Report) -> Option<CanariesView> {
    let canaries = &report.canaries;
    if canaries.sent == 0 {
        return None;
    }
    let rows = canaries.regions.iter().enumerate().map(|(index, region)| {
        let CanaryRegion {
            client_id,
            sent,
            heard,
            sent_in_gaps,
            delay_min_ms,
            delay_median_ms,
            delay_p95_ms,
        } = region;
        let heard_share = share(*heard, *sent);
        let text = |ms: &Option<i64>| ms.map_or_else(|| "–".to_owned(), delay);
        CanaryRow {
            name: visible(client_id),
            class: timeline::class_of(report, client_id).unwrap_or_else(|| class(index)),
            sent: number(*sent),
            heard: number(*heard),
            share: heard_share.map_or_else(|| "–".to_owned(), percent),
            interval: interval(*heard, *sent),
            length: hundredths(heard_share.unwrap_or_default()),
            in_gaps: number(*sent_in_gaps),
            min: text(delay_min_ms),
            median: text(delay_median_ms),
            p95: text(delay_p95_ms),
        }
    });
    Some(CanariesView {
        sent: number(canaries.sent),
        unknown: some_number(canaries.unknown),
        rows: rows.collect(),
        delays: timeline::delays(report),
    })
}

/// In 95 of 100 samples like this one the true share lies within: Wilson's interval.
fn interval(heard: u64, sent: u64) -> String {
    let Some((low, high)) = wilson(heard, sent) else {
        return String::new();
    };
    format!("{:.0}–{:.0}\u{202f}%", low * 100.0, high * 100.0)
}

fn wilson(heard: u64, sent: u64) -> Option<(f64, f64)> {
    const Z: f64 = 1.96;
    let n = float(sent);
    let p = share(heard.min(sent), sent)?;
    let middle = p + Z * Z / (2.0 * n);
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    Some(((middle - spread) / scale, (middle + spread) / scale))
}

/// Words in a query, all regions together.
fn words(report: &Report) -> Vec<Bar> {
    let mut sums = [0; 21];
    for client in &report.clients {
        for (sum, words) in sums.iter_mut().zip(client.words) {
            *sum += words;
        }
    }
    let all: u64 = sums.iter().sum();
    let most = sums.iter().copied().max().unwrap_or_default();
    if all == 0 {
        return Vec::new();
    }
    // Ten words and more are one bar.
    let (few, many) = sums.split_at(10);
    let bars = few.iter().copied().chain([many.iter().sum()]).enumerate();
    // A search without a word is possible, but rare.
    let bars = bars.filter(|(words, searches)| *words > 0 || *searches > 0);
    bars.map(|(words, searches)| Bar {
        label: if words == 10 {
            "10+".to_owned()
        } else {
            words.to_string()
        },
        value: number(searches),
        share: percent(share(searches, all).unwrap_or_default()),
        length: hundredths(share(searches, most).unwrap_or_default()),
    })
    .collect()
}

fn top(report: &Report) -> Vec<TopRow> {
    let most = report.top_queries.iter().map(|top| top.users.value).max();
    let rows = report.top_queries.iter().map(|top| TopRow {
        query: visible(&top.query),
        users: estimate(top.users),
        searches: number(top.searches),
        length: hundredths(share(top.users.value, most.unwrap_or_default()).unwrap_or_default()),
    });
    rows.collect()
}

/// A share as per cent for CSS.
fn hundredths(share: f64) -> f64 {
    (share.clamp(0.0, 1.0) * 1000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilsons_interval_is_as_in_the_books() {
        let near = |found: (f64, f64), low: f64, high: f64| {
            assert!(
                (found.0 - low).abs() < 5e-4 && (found.1 - high).abs() < 5e-4,
                "{found:?}"
            );
        };
        near(wilson(8, 10).unwrap(), 0.4902, 0.9433);
        near(wilson(0, 10).unwrap(), 0.0, 0.2775);
        near(wilson(720, 720).unwrap(), 0.9947, 1.0);
        assert_eq!(wilson(0, 0), None);
    }
}
