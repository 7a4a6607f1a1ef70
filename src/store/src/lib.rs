//! The durable local spool of a collector: what it heard goes to one `SQLite` file before anything else happens to it.
//!
//! - [`Spool`] and [`SpoolClient`] write, with group commit and bounded memory.
//! - [`Reader`] and [`export`] read, also while a collector is writing.
//! - [`archive`] keeps whole months in files.
//! - [`Pseudonymizer`] turns user names into what may be kept.
//!
//! # What can be lost
//! A record is safe when a [`SpoolClient::flush`] called after its `append` has returned: it is on the disk, `fsync`ed.
//! A power cut, a `kill -9` or the end of the runtime without [`Spool::close`] loses at most what was not acknowledged in
//! this way: the commit in progress and what arrived since that commit began, in time at most the linger (10 ms) and two
//! commits, in size at most [`SpoolOptions::queue_bytes`]. A full disk loses nothing: the queue fills, `append` waits, and
//! writing goes on when there is room.

pub mod archive;
mod batch;
mod client;
mod database;
mod error;
mod export;
mod hot;
pub mod postgres;
mod pseudonym;
mod read;
mod record;
pub mod report;
mod row;
mod ship;
mod spool;
mod status;
mod writer;

#[cfg(test)]
mod tests;

pub use archive::{
    ArchiveError, ArchiveOptions, ArchiveProgress, Archived, Archiver, Checked, Destination,
    DestinationError, DestinationSettings, FileFormat, Listed, Manifest, ManifestClient, Month,
    ParseFileFormatError, ParseMonthError, Part, PartState, RestoreOptions, Restored, Rows, Span,
    Upload, WrittenFile, archived_rows, list_archives, live_rows, restore, verify_archives,
};
pub use client::SpoolClient;
pub use database::{DATABASE_FILE, LOCK_FILE};
pub use error::{SpoolClosed, StoreError};
pub use export::{Filter, Format, ParseFormatError, export, export_rows};
pub use hot::Place;
pub use pseudonym::{KeyError, ParseSchemeError, Pseudonymizer, RevealError, Scheme};
pub use read::{Query, Reader, Value};
pub use record::{Record, Source};
pub use row::Row;
pub use ship::{ShipOptions, ShipStatus, Shipper};
pub use spool::{Spool, SpoolOptions};
pub use status::SpoolStatus;
