//! The one place that writes to standard output and standard error. Colours disappear where they are
//! not wanted (`NO_COLOR`, a file, a pipe).

use std::io::{self, Write};

use fleet_store::{StoreError, Value};
use futures_util::{Stream, StreamExt};
use serde_json::Value as Json;

use crate::cli::Output;

/// Something for people to read that is not a result: standard error.
pub(crate) fn note(text: &str) {
    // Nobody is there to read it, then.
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// A result: standard output. A reader that has seen enough (`| head`) is not an error.
pub(crate) fn line(text: &str) -> io::Result<()> {
    fine_if_closed(writeln!(anstream::stdout(), "{text}"))
}

/// A closed pipe means that the reader has seen enough.
pub(crate) fn fine_if_closed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Prints rows as they come, in the way that was asked for. A table waits for all of them, to know
/// how wide its columns are.
pub(crate) async fn rows(
    output: Output,
    columns: &[String],
    mut rows: impl Stream<Item = Result<Vec<Value>, StoreError>> + Unpin,
) -> Result<(), crate::Failure> {
    let mut out = io::stdout().lock();
    let mut table = Vec::new();
    let mut csv = (output == Output::Csv).then(|| csv::Writer::from_writer(io::stdout()));
    if let Some(csv) = &mut csv {
        csv.write_record(columns).map_err(csv_error)?;
    }
    while let Some(row) = rows.next().await {
        let row = row?;
        let written = match (output, &mut csv) {
            (Output::Json, _) => writeln!(out, "{}", json(columns, &row)),
            (Output::Csv, Some(csv)) => csv
                .write_record(row.iter().map(csv_value))
                .map_err(csv_error),
            _ => {
                table.push(
                    row.iter()
                        .map(|value| visible(&value.to_string()))
                        .collect(),
                );
                Ok(())
            }
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
    }
    if let Some(mut csv) = csv {
        return Ok(fine_if_closed(csv.flush())?);
    }
    if output == Output::Table {
        fine_if_closed(write_table(&mut out, columns, &table))?;
    }
    Ok(())
}

/// Prints a few rows that are all there, in the way that was asked for.
pub(crate) fn objects(output: Output, columns: &[&str], rows: &[Vec<Json>]) -> io::Result<()> {
    let text = |value: &Json| match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut out = io::stdout().lock();
    let written = match output {
        Output::Table => {
            let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
            let rows: Vec<Vec<String>> = rows
                .iter()
                .map(|row| row.iter().map(text).collect())
                .collect();
            write_table(&mut out, &columns, &rows)
        }
        Output::Json => rows.iter().try_for_each(|row| {
            let fields = columns.iter().zip(row);
            let fields = fields.map(|(column, value)| format!("{}:{value}", Json::from(*column)));
            writeln!(out, "{{{}}}", fields.collect::<Vec<_>>().join(","))
        }),
        Output::Csv => {
            let mut csv = csv::Writer::from_writer(out);
            let mut write = || {
                csv.write_record(columns)?;
                rows.iter()
                    .try_for_each(|row| csv.write_record(row.iter().map(text)))?;
                Ok(csv.flush()?)
            };
            write().map_err(csv_error)
        }
    };
    fine_if_closed(written)
}

/// What the system says, so that a closed pipe can be told from a full disk.
pub(crate) fn csv_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// An object with the columns in the order that was asked for.
fn json(columns: &[String], row: &[Value]) -> String {
    let fields = columns.iter().zip(row);
    let fields = fields
        .map(|(column, value)| format!("{}:{}", Json::from(column.as_str()), json_value(value)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn json_value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Int(number) => (*number).into(),
        Value::Real(number) => (*number).into(),
        other => other.to_string().into(),
    }
}

/// Nothing is an empty field, as in an export.
fn csv_value(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Users of the network choose what they search for: what would move the cursor or colour the screen
/// is spelled out.
pub(crate) fn visible(text: &str) -> String {
    let spell = |c: char| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    text.chars().map(spell).collect()
}

/// Columns parted by two blanks, as kubectl does it.
pub(crate) fn write_table(
    out: &mut impl Write,
    columns: &[String],
    rows: &[Vec<String>],
) -> io::Result<()> {
    let head: Vec<String> = columns.iter().map(|column| column.to_uppercase()).collect();
    let width = |index: usize| {
        let cells = rows.iter().chain([&head]).filter_map(|row| row.get(index));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    for row in [&head].into_iter().chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count()));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
