//! Months that are over, in files that everybody can read.

mod archiver;
mod destination;
mod error;
pub(crate) mod file;
mod format;
mod list;
mod manifest;
mod month;
mod part;
mod pipe;
mod restore;
mod rows;

pub use archiver::{ArchiveOptions, ArchiveProgress, Archived, Archiver, WrittenFile};
pub use destination::{Destination, DestinationError, DestinationSettings, Upload};
pub use error::ArchiveError;
pub use format::{
    ClientSummary, CsvGzWriter, CsvRows, FileError, FileFacts, FileFormat, FileWriter, Hashing,
    ParquetRows, ParquetWriter, ParseFileFormatError, RowDigest, Summary, read_csv_gz,
    read_parquet,
};
pub use list::{Checked, Listed, list_archives, verify_archives};
pub use manifest::{Manifest, ManifestClient, ManifestColumn};
pub(crate) use month::days_since_1970;
pub use month::{Month, ParseMonthError};
pub(crate) use part::covered;
pub use part::{Part, PartState, Span};
pub use restore::{RestoreOptions, Restored, restore};
pub use rows::{Rows, archived_rows, live_rows};
