//! Figures about what was collected: a day at a time, in one pass, and ranges of days put together from them.
//!
//! - [`DayBuilder`] reads all rows of one day and gives its [`DayFigures`], which a store keeps as a JSON document.
//! - [`Report::merge`] makes the figures of a range from those of its days and from the collectors' journal; it never
//!   looks at a row. [`load`](load()) does so with what a store keeps.
//! - [`page`](page()) writes them as one HTML file.
//!
//! Nothing in here but [`load`](load()) reads a database. What each figure means stands in `docs/reports.md`.

mod canary;
mod day;
mod journal;
mod load;
mod overlap;
mod page;
mod queries;
mod quiet;
mod range;
mod sightings;
mod sketch;

#[cfg(test)]
mod tests;

pub use canary::{CanaryFigures, CanaryRegion, CanarySeen};
pub use day::{ClientDay, DayBuilder, DayError, DayFigures, DayOptions, MAX_CLIENTS, Sources};
pub use journal::{ClockJump, Coverage, Gap, JournalEvent};
pub(crate) use load::refresh_days;
pub use load::{LoadError, Refreshed, load, refresh};
pub use overlap::{Overlap, Pair, SeenBy};
pub use page::{PageError, page};
pub use queries::{MIN_USERS_KEPT, TOP_KEPT, TopQuery};
pub use range::{
    ClientReport, ClientSeries, DayLine, DayState, PublishedQuery, Report, ReportOptions, Totals,
};
pub use sketch::{Estimate, Sketch, SketchError};
