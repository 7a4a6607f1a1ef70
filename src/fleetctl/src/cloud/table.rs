//! A plan as people read it, and as programs do.

use std::collections::BTreeMap;
use std::io;

use fleet_operator::servers::{Change, Found, Item, Kind, Plan, Verb};
use owo_colors::{AnsiColors, OwoColorize};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::printer;

const COLUMNS: [&str; 6] = ["KIND", "NAME", "LOCATION", "TYPE", "MONTHLY", "WHY"];

/// Prints what will change, what is in the way, and what it costs.
pub(crate) fn print(found: &Found, fleet: &str, plan: &Plan) -> io::Result<()> {
    let currency = &found.pricing.currency;
    if plan.changes.is_empty() {
        printer::line(&format!(
            "{}: {} as the spec wants it, nothing to do",
            fleet,
            count(plan.unchanged.len(), "thing"),
        ))?;
    } else {
        printer::line(&format!("{}: {}\n", fleet.bold(), summary(plan)))?;
        let rows: Vec<_> = plan.changes.iter().map(row).collect();
        let widths: Vec<usize> = (0..COLUMNS.len())
            .map(|column| {
                let cells = rows.iter().map(|row| row[column].chars().count());
                cells.chain([COLUMNS[column].len()]).max().unwrap_or(0)
            })
            .collect();
        printer::line(&format!(
            "   {}",
            line(&COLUMNS.map(str::to_owned), &widths).bold()
        ))?;
        for (change, row) in plan.changes.iter().zip(&rows) {
            let (sign, colour) = sign(change.verb);
            printer::line(&format!(
                "{} {}",
                format!(" {sign}").color(colour),
                line(row, &widths).color(colour)
            ))?;
        }
        printer::line("")?;
    }
    for warning in &plan.warnings {
        printer::note(&format!("{} {warning}", "warning:".yellow().bold()));
    }
    let (before, after) = (plan.monthly_before(), plan.monthly_after());
    let change = if before == after {
        String::new()
    } else {
        format!(", {before} now")
    };
    printer::line(&format!(
        "{} {currency} a month{change}, net, at today's list prices; traffic beyond what is included comes on top",
        after.to_string().bold(),
    ))
}

/// What is in the way, as one failure; each with a hint of its own.
pub(crate) fn problems(plan: &Plan) -> Option<Failure> {
    let (last, others) = plan.problems.split_last()?;
    for problem in others {
        Failure::cloud(anyhow::Error::new(problem.clone()), problem.hint()).print();
    }
    Some(Failure::cloud(
        anyhow::Error::new(last.clone()),
        last.hint(),
    ))
}

/// One object with everything.
pub(crate) fn json(found: &Found, fleet: &str, plan: &Plan) -> Value {
    let problems = plan
        .problems
        .iter()
        .map(|problem| json!({"message": problem.to_string(), "hint": problem.hint()}));
    json!({
        "fleet": fleet,
        "converged": plan.is_converged(),
        "changes": plan.changes.iter().map(change_json).collect::<Vec<_>>(),
        "unchanged": plan.unchanged.iter().map(item_json).collect::<Vec<_>>(),
        "problems": problems.collect::<Vec<_>>(),
        "warnings": plan.warnings,
        "monthly": {
            "before": plan.monthly_before().to_string(),
            "after": plan.monthly_after().to_string(),
            "currency": found.pricing.currency,
            "vat": "net",
        },
    })
}

pub(crate) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::SshKey => "ssh-key",
        Kind::Network => "network",
        Kind::PlacementGroup => "placement-group",
        Kind::Firewall => "firewall",
        Kind::Volume => "volume",
        Kind::PrimaryIp => "primary-ip",
        Kind::Server => "server",
    }
}

pub(crate) fn verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "create",
        Verb::Update => "update",
        Verb::Rebuild => "rebuild",
        Verb::Replace => "replace",
        Verb::Delete => "delete",
    }
}

fn sign(verb: Verb) -> (char, AnsiColors) {
    match verb {
        Verb::Create => ('+', AnsiColors::Green),
        Verb::Update => ('~', AnsiColors::Yellow),
        Verb::Rebuild => ('!', AnsiColors::Magenta),
        Verb::Replace => ('±', AnsiColors::Red),
        Verb::Delete => ('-', AnsiColors::Red),
    }
}

/// `5 to create, 1 to delete`.
fn summary(plan: &Plan) -> String {
    let mut counts = BTreeMap::<Verb, usize>::new();
    for change in &plan.changes {
        *counts.entry(change.verb).or_default() += 1;
    }
    let words = counts
        .iter()
        .map(|(&of, count)| format!("{count} to {}", verb(of)));
    words.collect::<Vec<_>>().join(", ")
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what} is"),
        _ => format!("{number} {what}s are"),
    }
}

/// A thing in a line.
pub(crate) fn item(item: &Item) -> String {
    let Item {
        kind: of,
        name,
        location,
        server_type,
        monthly,
    } = item;
    let words = [
        Some(kind(*of).to_owned()),
        Some(name.clone()),
        location.clone(),
        server_type.clone(),
        monthly.map(|price| price.to_string()),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

fn row(change: &Change) -> [String; 6] {
    let Item {
        kind: of,
        name,
        location,
        server_type,
        monthly,
    } = &change.item;
    let price = match (change.monthly_before, monthly, change.verb) {
        (Some(before), _, Verb::Delete) => format!("-{before}"),
        (Some(before), Some(after), _) if before != *after => format!("{before} → {after}"),
        (_, Some(after), _) => after.to_string(),
        (_, None, _) => String::new(),
    };
    [
        kind(*of).to_owned(),
        name.clone(),
        location.clone().unwrap_or_default(),
        server_type.clone().unwrap_or_default(),
        price,
        change.why.clone(),
    ]
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count()));
    }
    line.trim_end().to_owned()
}

fn change_json(change: &Change) -> Value {
    let mut value = item_json(&change.item);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("action".to_owned(), verb(change.verb).into());
        fields.insert("why".to_owned(), change.why.clone().into());
        let before = change.monthly_before.map(|price| price.to_string());
        fields.insert("monthlyBefore".to_owned(), before.into());
    }
    value
}

fn item_json(item: &Item) -> Value {
    json!({
        "kind": kind(item.kind),
        "name": item.name,
        "location": item.location,
        "serverType": item.server_type,
        "monthly": item.monthly.map(|price| price.to_string()),
    })
}
