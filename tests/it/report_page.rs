//! The report's page in a real browser: it shows the numbers of the report, its script runs, and what people typed
//! stays text.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use fleet_store::report::page;
use fleet_tests::chromium::{self, Page};
use serde::Deserialize;

use crate::report_sample::{REGIONS, hostile, sample};

/// Looks into the page from the page around it, and writes what it finds where `--dump-dom` shows it.
const LOOK: &str = include_str!("report_look.html");

#[derive(Debug, Deserialize)]
struct Found {
    title: String,
    values: Vec<String>,
    queries: Vec<String>,
    regions: Vec<String>,
    searches: Vec<String>,
    scripts: u32,
    loaded: u32,
    tip: Vec<String>,
    plots: Vec<String>,
    unnamed: u32,
    smallest: f64,
    overflow: f64,
}

/// What the browser makes of the page beside the file `look.html`, and what it says on its console.
async fn look(dir: &Path, width: u32, size: &str) -> Result<(Found, Vec<String>)> {
    let wrapper = dir.join("look.html");
    let text = LOOK
        .replace("WIDTH", &width.to_string())
        .replace("SIZE", size);
    std::fs::write(&wrapper, text)?;
    let Page { dom, console } = chromium::open(&format!("file://{}", wrapper.display())).await?;
    let found = dom
        .split_once("FOUND")
        .and_then(|(_, rest)| rest.split_once("END"));
    let (found, _) = found.with_context(|| format!("nothing was found:\n{dom}\n{console:#?}"))?;
    let found = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, found)?;
    Ok((serde_json::from_slice(&found)?, console))
}

#[tokio::test]
async fn the_page_shows_the_report_in_a_browser_and_nobody_gets_in() -> Result<()> {
    let report = sample(400);
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("report.html"), page(&report)?)?;

    for (width, size) in [(1100, "wide"), (400, "narrow")] {
        let (found, said) = look(dir.path(), width, size).await?;
        ensure!(said.is_empty(), "the console says {said:#?}");

        assert_eq!(
            found.title,
            "Searches on the Soulseek network, 1 October 2026 – 30 October 2026"
        );
        let totals = &report.totals;
        assert_eq!(digits(&found.values[0]), totals.searches);
        assert_eq!(digits(&found.values[1]), totals.different_searches);
        let users = found.values[2].split(" ±").next().unwrap_or_default();
        assert_eq!(Some(digits(users)), totals.users.map(|users| users.value));
        assert_eq!(found.regions, REGIONS);
        // The first day, without its own column: the state, then a number for each region that was there.
        let first: Vec<u64> = report.days[0]
            .clients
            .iter()
            .map(|client| client.searches)
            .collect();
        let shown: Vec<u64> = found.searches[1..]
            .iter()
            .filter(|text| *text != "–")
            .map(|text| digits(text))
            .collect();
        assert_eq!(
            (found.searches[0].as_str(), shown),
            ("complete", first.clone())
        );
        // The script puts the same numbers beside the pointer.
        ensure!(
            found.tip.len() == 1 && found.tip[0].starts_with("1 Oct\n"),
            "{:?}",
            found.tip
        );
        assert_eq!(found.tip[0].lines().count(), 1 + first.len());

        // What people typed is there as text, and only as text.
        assert_eq!(found.queries.len(), report.top_queries.len());
        for typed in hostile() {
            let begin: String = typed
                .to_lowercase()
                .chars()
                .take(12)
                .map(shown_as)
                .collect();
            let there = found.queries.iter().any(|query| query.starts_with(&begin));
            ensure!(there, "{begin:?} is not among {:#?}", found.queries);
        }
        ensure!(
            found
                .queries
                .iter()
                .all(|query| query.chars().count() <= 161)
        );
        assert_eq!((found.scripts, found.loaded), (1, 0));

        // One of the two widths is seen, every plot has a name, its letters can be read, and nothing sticks out.
        assert_eq!(found.plots, [size; 6]);
        assert_eq!(found.unnamed, 0);
        ensure!(
            found.smallest >= 10.0,
            "letters of {} pixels",
            found.smallest
        );
        ensure!(
            found.overflow <= 0.0,
            "{} pixels too wide at {width}",
            found.overflow
        );
    }
    Ok(())
}

fn digits(text: &str) -> u64 {
    text.replace(',', "").parse().unwrap_or(u64::MAX)
}

/// Control characters are shown as signs.
fn shown_as(c: char) -> char {
    match c {
        '\u{202e}' => '\u{fffd}',
        c if c.is_ascii_control() => char::from_u32(0x2400 + u32::from(c)).unwrap_or(c),
        c => c,
    }
}
