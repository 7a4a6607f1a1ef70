//! `fleetctl archive ls` and `fleetctl archive verify`

use anyhow::anyhow;
use fleet_store::{Checked, Listed, list_archives, verify_archives};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::records_are;
use crate::bar::with_bar;
use crate::cli::archive::{Ls, Verify};
use crate::failure::Failure;
use crate::printer;

pub(super) async fn list(arguments: Ls) -> Result<(), Failure> {
    let Ls {
        place,
        destination,
        output,
    } = arguments;
    let listed = list_archives(&place.place()?, destination.as_ref()).await?;
    let columns = [
        "month",
        "part",
        "state",
        "records",
        "bytes",
        "are",
        "archived_at",
        "file",
        "problem",
    ];
    let rows: Vec<_> = listed.iter().map(listed_row).collect();
    printer::objects(output, &columns, &rows)?;
    Ok(())
}

fn listed_row(listed: &Listed) -> Vec<Value> {
    let Listed {
        file,
        part,
        problem,
    } = listed;
    let of = |value: &dyn Fn(&fleet_store::Part) -> Value| part.as_ref().map_or(Value::Null, value);
    vec![
        of(&|part| json!(part.month)),
        of(&|part| json!(part.part)),
        of(&|part| json!(part.state)),
        of(&|part| json!(part.record_count)),
        of(&|part| json!(part.file_size)),
        of(&|part| json!(records_are(part))),
        of(&|part| json!(part.archived_at)),
        json!(file),
        json!(problem),
    ]
}

pub(super) async fn verify(arguments: Verify) -> Result<(), Failure> {
    let Verify {
        place,
        month,
        output,
    } = arguments;
    let place = place.place()?;
    let progress = watch::Sender::default();
    let work = Box::pin(verify_archives(&place, month, &progress));
    let checked = with_bar(progress.subscribe(), work).await?;
    let row = |Checked { part, problem }: &Checked| {
        let result = problem.as_deref().unwrap_or("right");
        vec![
            json!(part.month),
            json!(part.part),
            json!(part.record_count),
            json!(part.file_path),
            json!(result),
        ]
    };
    let rows: Vec<_> = checked.iter().map(row).collect();
    printer::objects(
        output,
        &["month", "part", "records", "file", "result"],
        &rows,
    )?;
    let wrong = checked.iter().filter(|file| file.problem.is_some()).count();
    if wrong == 0 {
        return Ok(());
    }
    let live = checked
        .iter()
        .all(|file| file.problem.is_none() || !file.part.deleted);
    let hint = if live {
        "the records are live: move the file away and archive the month again"
    } else {
        "the records are in the file only: put it back from a copy"
    };
    let error = anyhow!(
        "{wrong} of {} archive files are not what they should be",
        checked.len()
    );
    Err(Failure::archive(error, hint))
}
