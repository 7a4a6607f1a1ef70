//! Writing an archive as Apache Parquet: big row groups in the order of arrival, each sorted inside.

use std::io::Write;
use std::sync::Arc;

use parquet::file::writer::SerializedFileWriter;

use super::group::Group;
use super::schema::{properties, schema};
use super::tally::Tally;
use super::{FileError, Hashing, Summary};
use crate::Row;

/// Writes rows to a Parquet file. Needs at most about 160 MB of memory, for any number of rows.
pub struct ParquetWriter<W: Write + Send> {
    file: SerializedFileWriter<Hashing<W>>,
    group: Group,
    tally: Tally,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// A file without rows. `output` need not be buffered: it gets large pieces.
    pub fn new(output: W) -> Result<Self, FileError> {
        let open = || {
            let properties = Arc::new(properties()?);
            SerializedFileWriter::new(Hashing::new(output), schema()?, properties)
        };
        Ok(Self {
            file: open().map_err(FileError::writing)?,
            group: Group::default(),
            tally: Tally::default(),
        })
    }

    /// Adds a row. Every two million rows, this takes seconds.
    pub fn push(&mut self, row: &Row) -> Result<(), FileError> {
        self.tally.add(row);
        self.group.push(row);
        if self.group.is_full() {
            self.write_group()?;
        }
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), FileError> {
        let group = std::mem::take(&mut self.group);
        let write = || {
            let mut writer = self.file.next_row_group()?;
            group.write(&mut writer)?;
            writer.close()
        };
        write().map(drop).map_err(FileError::writing)
    }

    /// Writes what is held back and the end of the file. The file is complete; to keep it is up to `output`.
    pub fn finish(mut self) -> Result<(Summary, W), FileError> {
        if !self.group.is_empty() {
            self.write_group()?;
        }
        let hashing = self.file.into_inner().map_err(FileError::writing)?;
        let (file, output) = hashing.finish();
        Ok((self.tally.summary(file), output))
    }
}

impl<W: Write + Send> std::fmt::Debug for ParquetWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetWriter")
            .field("records", &self.tally.records)
            .finish_non_exhaustive()
    }
}
