//! `fleetctl report`: figures of a range of days, for people, for programs, and as a page to show to others.

use std::io;
use std::path::Path;

use fleet_store::report::{self, DayLine, DayState, Estimate, ReportOptions};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::cli::{Output, Report};
use crate::failure::Failure;
use crate::printer;

/// Days that are reported where nobody says otherwise.
const DAYS: i64 = 30;
/// Queries in the table for people.
const TOP: usize = 10;
/// As in a spark line: eight heights.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(crate) async fn run(arguments: Report) -> Result<(), Failure> {
    let Report {
        place,
        from,
        to,
        min_users,
        output,
        html,
    } = arguments;
    let now = Timestamp::now();
    let today = now.to_zoned(TimeZone::UTC).date();
    let (from, to) = range(from, to, today)?;
    let place = place.place()?;
    let refreshed = report::refresh(&place).await?;
    for (day, reason) in &refreshed.left {
        printer::note(&format!(
            "the figures of {day} are not up to date: {reason}"
        ));
    }
    if refreshed.read_only {
        printer::note("this user can only read: the figures are those of the last `fleetd report`");
    }
    let options = ReportOptions {
        min_users,
        ..ReportOptions::new(from, to, now)
    };
    let report = report::load(&place, options).await?;
    if report.clients.is_empty() && from <= today {
        printer::note(&format!(
            "nothing was recorded from {from} to {to}; for today: fleetctl report --from {today}"
        ));
    }
    if let Some(html) = html {
        write_page(&report, &html)?;
        printer::note(&format!("wrote {}", html.display()));
    }
    let printed = match output {
        Output::Table => table(&report),
        Output::Json => printer::line(&serde_json::to_string(&report).map_err(io::Error::from)?),
        Output::Csv => csv(&report),
    };
    Ok(printed?)
}

/// The last complete days; a range that has only a beginning goes on until today.
fn range(from: Option<Date>, to: Option<Date>, today: Date) -> Result<(Date, Date), Failure> {
    let yesterday = today.checked_sub(1.day()).unwrap_or(today);
    let to = to.unwrap_or(match from {
        Some(_) => today,
        None => yesterday,
    });
    let from = match from {
        Some(from) => from,
        None => to.checked_sub((DAYS - 1).days()).unwrap_or(to),
    };
    if from > to {
        let error = anyhow::anyhow!("the range ends on {to}, before it begins on {from}");
        return Err(Failure::wrong_command_line(
            error,
            "--from is the first day, --to the last; both belong to the range",
        ));
    }
    Ok((from, to))
}

fn write_page(report: &report::Report, file: &Path) -> Result<(), Failure> {
    let page = report::page(report).map_err(anyhow::Error::from)?;
    std::fs::write(file, page).map_err(|error| {
        let error = anyhow::Error::from(error);
        Failure::with_hint(
            error.context(format!("cannot write {}", file.display())),
            "name a file in a directory that is there and that you may write to",
        )
    })
}

/// What a person wants to know first: the totals, the regions, the queries, and what is missing.
fn table(report: &report::Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let written = write_totals(&mut out, report)
        .and_then(|()| write_regions(&mut out, report))
        .and_then(|()| write_queries(&mut out, report))
        .and_then(|()| write_notes(&mut out, report));
    printer::fine_if_closed(written)
}

fn write_totals(out: &mut impl io::Write, report: &report::Report) -> io::Result<()> {
    let totals = &report.totals;
    writeln!(out, "{} to {} (UTC)\n", report.from, report.to)?;
    // Without figures there are no numbers, not even zero.
    if report.clients.is_empty() {
        return Ok(());
    }
    let mut lines = vec![
        ("searches recorded", totals.searches.to_string()),
        ("different searches", totals.different_searches.to_string()),
        ("different queries", estimate(totals.queries)),
    ];
    if let Some(users) = totals.users {
        lines.push(("users", estimate(users)));
    }
    let by_all = report.overlap.seen_by_regions.last().copied();
    let by_all = by_all.and_then(|all| percent(all, totals.different_searches));
    if let (Some(by_all), 2..) = (by_all, report.clients.len()) {
        lines.push(("heard in every region", by_all));
    }
    for (what, value) in lines {
        writeln!(out, "  {what:<22} {value}")?;
    }
    writeln!(out)
}

fn write_regions(out: &mut impl io::Write, report: &report::Report) -> io::Result<()> {
    let columns = [
        "region",
        "searches",
        "users",
        "queries",
        "covered",
        "repeated",
        "canaries",
        "day by day",
    ];
    let rows = report.clients.iter().map(|client| {
        let id = &client.client_id;
        let covered = report
            .coverage
            .iter()
            .find(|coverage| coverage.client_id == *id);
        let canaries = report
            .canaries
            .regions
            .iter()
            .find(|region| region.client_id == *id);
        let heard = canaries.and_then(|region| percent(region.heard, region.sent));
        vec![
            printer::visible(id),
            client.searches.to_string(),
            client.users.map_or_else(dash, estimate),
            estimate(client.queries),
            covered
                .and_then(|coverage| coverage.share)
                .map_or_else(dash, |share| format!("{:.1}%", share * 100.0)),
            (client.duplicates + client.duplicates_dropped).to_string(),
            heard.unwrap_or_else(dash),
            spark_line(&report.days, id),
        ]
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    printer::write_table(out, &columns.map(str::to_owned), &rows)?;
    writeln!(out)
}

fn write_queries(out: &mut impl io::Write, report: &report::Report) -> io::Result<()> {
    if !report.top_queries.is_empty() {
        let columns = ["users", "searches", "query"].map(str::to_owned);
        let rows = report.top_queries.iter().take(TOP).map(|top| {
            vec![
                estimate(top.users),
                top.searches.to_string(),
                printer::visible(&top.query),
            ]
        });
        printer::write_table(out, &columns, &rows.collect::<Vec<_>>())?;
        writeln!(out)?;
    }
    if report.withheld_queries > 0 {
        let (withheld, min_users) = (report.withheld_queries, report.min_users);
        writeln!(
            out,
            "queries withheld, because fewer than {min_users} users typed them: {withheld}"
        )?;
    }
    Ok(())
}

fn write_notes(out: &mut impl io::Write, report: &report::Report) -> io::Result<()> {
    for (state, note) in [
        (DayState::Missing, "no figures for"),
        (DayState::Incomplete, "not over yet:"),
    ] {
        let days = report.days.iter().filter(|line| line.state == state);
        let days: Vec<String> = days.map(|line| line.day.to_string()).collect();
        match days.as_slice() {
            [] => {}
            [day] => writeln!(out, "{note} {day}")?,
            [first, .., last] => {
                writeln!(out, "{note} {} days between {first} and {last}", days.len())?;
            }
        }
    }
    Ok(())
}

/// A row for each client on each day. A day without figures has one row without numbers.
fn csv(report: &report::Report) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(io::stdout());
    let written = write_csv(&mut csv, report).map_err(printer::csv_error);
    printer::fine_if_closed(written.and_then(|()| csv.flush()))
}

fn write_csv(csv: &mut csv::Writer<impl io::Write>, report: &report::Report) -> csv::Result<()> {
    let columns = [
        "day",
        "state",
        "client_id",
        "searches",
        "users",
        "users_standard_error",
        "queries",
        "queries_standard_error",
        "parent",
        "embedded",
        "server",
        "direct",
        "duplicates",
        "down_seconds",
    ];
    csv.write_record(columns)?;
    for line in &report.days {
        let begin = [line.day.to_string(), line.state.as_str().to_owned()];
        if line.clients.is_empty() {
            let nothing = vec![String::new(); columns.len() - begin.len()];
            csv.write_record(begin.iter().chain(&nothing))?;
        }
        for client in &line.clients {
            let users = client.users;
            let numbers = [
                client.client_id.clone(),
                client.searches.to_string(),
                users
                    .map(|users| users.value.to_string())
                    .unwrap_or_default(),
                users
                    .map(|users| users.standard_error.to_string())
                    .unwrap_or_default(),
                client.queries.value.to_string(),
                client.queries.standard_error.to_string(),
                client.sources.parent.to_string(),
                client.sources.embedded.to_string(),
                client.sources.server.to_string(),
                client.sources.direct.to_string(),
                client.duplicates.to_string(),
                client.down_seconds.to_string(),
            ];
            csv.write_record(begin.iter().chain(&numbers))?;
        }
    }
    Ok(())
}

/// The searches of each day as a height, between none and the region's busiest day; blank where there are no figures.
fn spark_line(days: &[DayLine], client_id: &str) -> String {
    let searches = |line: &DayLine| {
        let mut clients = line.clients.iter();
        let client = clients.find(|client| client.client_id == client_id);
        client.map(|client| client.searches)
    };
    let most = days
        .iter()
        .filter_map(searches)
        .max()
        .unwrap_or_default()
        .max(1);
    let height = |line| {
        let step = searches(line)? * (HEIGHTS.len() as u64 - 1) / most;
        HEIGHTS.get(usize::try_from(step).ok()?).copied()
    };
    days.iter()
        .map(|line| height(line).unwrap_or(' '))
        .collect()
}

fn estimate(estimate: Estimate) -> String {
    if estimate.is_exact() {
        estimate.value.to_string()
    } else {
        format!("{} ± {}", estimate.value, estimate.standard_error)
    }
}

fn percent(part: u64, whole: u64) -> Option<String> {
    let tenths = (part * 1000).checked_div(whole)?;
    Some(format!("{}.{}%", tenths / 10, tenths % 10))
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_range_is_the_last_thirty_complete_days_unless_told() {
        let today = date(2026, 11, 21);
        let found = |from, to| range(from, to, today).unwrap();
        assert_eq!(found(None, None), (date(2026, 10, 22), date(2026, 11, 20)));
        let october = date(2026, 10, 1);
        assert_eq!(found(Some(october), None), (october, today));
        assert_eq!(found(None, Some(october)), (date(2026, 9, 2), october));
        assert!(range(Some(today), Some(october), today).is_err());
    }

    #[test]
    fn a_spark_line_has_a_place_for_each_day() {
        let day = |searches: Option<u64>| {
            let client = searches.map(|searches| {
                serde_json::json!({
                    "client_id": "a", "searches": searches, "users": null,
                    "queries": {"value": 1, "standard_error": 0},
                    "sources": {"parent": 1, "embedded": 0, "server": 0, "direct": 0},
                    "duplicates": 0, "down_seconds": 0,
                })
            });
            let line = serde_json::json!({
                "day": "2026-10-01", "state": "complete", "searches": searches, "different_searches": null,
                "users": null, "queries": null, "clients": Vec::from_iter(client),
            });
            serde_json::from_value::<DayLine>(line).unwrap()
        };
        let days = [Some(0), Some(10), None, Some(70), Some(35)].map(day);
        assert_eq!(spark_line(&days, "a"), "▁▂ █▄");
        assert_eq!(spark_line(&days, "b"), "     ");
    }

    #[test]
    fn shares_are_rounded_down() {
        assert_eq!(percent(999, 1000).as_deref(), Some("99.9%"));
        assert_eq!(percent(9999, 10_000).as_deref(), Some("99.9%"));
        assert_eq!(percent(1, 0), None);
    }
}
