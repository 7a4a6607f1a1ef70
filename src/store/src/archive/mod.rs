//! Months that are over, in files that everybody can read.

mod destination;
mod error;
mod month;
mod part;

pub use destination::{Destination, DestinationError, DestinationSettings, Upload};
pub use error::ArchiveError;
pub(crate) use month::days_since_1970;
pub use month::{Month, ParseMonthError};
pub(crate) use part::covered;
pub use part::{Part, PartState, Span};
