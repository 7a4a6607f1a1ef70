//! `fleetctl export`

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use fleet_store::{ArchiveError, Filter, Format, Place, Reader, export, export_rows, live_rows};

use crate::cli::Export;
use crate::failure::Failure;
use crate::printer;

pub(crate) async fn run(arguments: Export) -> Result<(), Failure> {
    let Export {
        place,
        format,
        since,
        until,
        output,
    } = arguments;
    let filter = Filter { since, until };
    let output = output.as_deref();
    match place.place()? {
        place @ Place::Database(_) => {
            let rows = live_rows(&place, filter).await?;
            write(output, format, async |output| {
                export_rows(rows, format, output).await
            })
            .await
        }
        // What only reads needs no permission to write, and never waits for a collector.
        Place::Spool(dir) => {
            let reader = Reader::open(&dir).await?;
            write(output, format, async |output| {
                Ok(export(&reader, format, filter, output).await?)
            })
            .await
        }
    }
}

/// Opens the output, lets it be written and says how much that was.
pub(super) async fn write(
    output: Option<&Path>,
    format: Format,
    written: impl AsyncFnOnce(Box<dyn Write + Send>) -> Result<u64, ArchiveError>,
) -> Result<(), Failure> {
    let Some(output) = output else {
        if format == Format::Parquet && io::stdout().is_terminal() {
            let error = anyhow::anyhow!("Parquet is not for a terminal");
            return Err(Failure::with_hint(error, "name a file with --output"));
        }
        return match written(Box::new(BufWriter::new(io::stdout()))).await {
            Err(error) if is_closed_pipe(&error) => Ok(()),
            other => Ok(other.map(|_| ())?),
        };
    };
    let created = File::create(output).map_err(|error| {
        let error = anyhow::Error::from(error);
        Failure::with_hint(
            error.context(format!("cannot write {}", output.display())),
            "name a file in a directory that is there and that you may write to",
        )
    })?;
    let count = written(Box::new(BufWriter::new(created))).await?;
    printer::note(&format!("wrote {count} records to {}", output.display()));
    Ok(())
}

/// Whether the reader has seen enough, which is not an error. Each format wraps it in layers of its own.
fn is_closed_pipe(error: &ArchiveError) -> bool {
    let mut cause: Option<&dyn Error> = match error {
        ArchiveError::Store(error) => Some(error),
        error => Some(error),
    };
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            return true;
        }
        cause = error.source();
    }
    false
}
