//! Months that are over, in files that everybody can read.

mod archiver;
mod destination;
mod error;
pub(crate) mod file;
mod format;
mod manifest;
mod month;
mod part;
mod pipe;

pub use archiver::{ArchiveOptions, ArchiveProgress, Archived, Archiver, WrittenFile};
pub use destination::{Destination, DestinationError, DestinationSettings, Upload};
pub use error::ArchiveError;
pub use format::{FileFormat, ParseFileFormatError};
pub use manifest::{Manifest, ManifestClient};
pub(crate) use month::days_since_1970;
pub use month::{Month, ParseMonthError};
pub(crate) use part::covered;
pub use part::{Part, PartState, Span};
