//! `fleetctl export`

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal};

use fleet_collector::read_spec;
use fleet_store::{Filter, Format, Reader, StoreError, export};

use crate::cli::Export;
use crate::failure::Failure;
use crate::printer;

pub(crate) async fn run(arguments: Export) -> Result<(), Failure> {
    let Export {
        file,
        data,
        format,
        since,
        until,
        output,
    } = arguments;
    if let Some(file) = file {
        // The spec says where the data are. Today that is always the local store.
        read_spec(&file, None)?;
    }
    let reader = Reader::open(&data.data_dir).await?;
    let filter = Filter { since, until };
    let Some(output) = output else {
        if format == Format::Parquet && io::stdout().is_terminal() {
            let error = anyhow::anyhow!("Parquet is not for a terminal");
            return Err(Failure::with_hint(error, "name a file with --output"));
        }
        let written = export(&reader, format, filter, BufWriter::new(io::stdout())).await;
        return match written {
            Err(error) if is_closed_pipe(&error) => Ok(()),
            other => Ok(other.map(|_| ())?),
        };
    };
    let created = File::create(&output).map_err(|error| {
        let error = anyhow::Error::from(error);
        Failure::with_hint(
            error.context(format!("cannot write {}", output.display())),
            "name a file in a directory that is there and that you may write to",
        )
    })?;
    let count = export(&reader, format, filter, BufWriter::new(created)).await?;
    printer::note(&format!("wrote {count} records to {}", output.display()));
    Ok(())
}

/// Whether the reader has seen enough, which is not an error. Each format wraps it in layers of its own.
fn is_closed_pipe(error: &StoreError) -> bool {
    let mut cause: Option<&dyn Error> = Some(error);
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
