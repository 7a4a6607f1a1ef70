//! Months that are over, in files that everybody can read.

mod month;

pub(crate) use month::days_since_1970;
pub use month::{Month, ParseMonthError};
