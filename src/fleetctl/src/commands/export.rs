//! `fleetctl export`

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal};

use anyhow::Context;
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
            Err(StoreError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other.map(|_| ())?),
        };
    };
    let created =
        File::create(&output).with_context(|| format!("cannot write {}", output.display()))?;
    let count = export(&reader, format, filter, BufWriter::new(created)).await?;
    printer::note(&format!("wrote {count} records to {}", output.display()));
    Ok(())
}
