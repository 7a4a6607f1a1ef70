//! A month comes back: its files are read, and their records are live again.
//!
//! They stay live until the month is archived by its name. They were counted when they came, so no count changes.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::{mpsc, watch};

use super::archiver::begin;
use super::file::{self, read_manifest};
use super::format::RowDigest;
use super::{ArchiveError, ArchiveProgress, Destination, Month, Part, PartState, part};
use crate::Row;
use crate::hot::{Heaps, Hot, Place};

/// How a month comes back.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RestoreOptions {
    /// Only verify the files and say what would be done.
    pub dry_run: bool,
    /// Where the files are, for a database that does not know them: a new one, of which only the archive is left.
    pub from: Option<Destination>,
}

/// What was restored, or would be.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Restored {
    /// The month.
    pub month: String,
    /// The files that were read.
    pub files: Vec<String>,
    /// Records in them.
    pub records: i64,
}

/// Brings a month back into the live tables. Verifies every file first.
///
/// In PostgreSQL it is one transaction. In a spool it is many, beside a collector that is writing: should this end early,
/// the next restore or archive takes away what it had brought.
pub async fn restore(
    place: &Place,
    month: Month,
    options: RestoreOptions,
    progress: &watch::Sender<ArchiveProgress>,
) -> Result<Restored, ArchiveError> {
    let RestoreOptions { dry_run, from } = options;
    let mut hot = Hot::open(place).await?;
    hot.lock().await?;
    if let Some(table) = hot.detached(month).await?.pop() {
        return Err(ArchiveError::HalfDeleted { month, table });
    }
    let mut parts = hot.parts(Some(month)).await?;
    match &from {
        Some(_) if matches!(place, Place::Spool(_)) => return Err(ArchiveError::NotIntoASpool),
        Some(_) if !parts.is_empty() => return Err(ArchiveError::Known { month }),
        Some(destination) => parts = parts_at(destination, month).await?,
        None => {
            parts.retain(|part| part.state == PartState::Verified);
            if parts.is_empty() {
                return Err(ArchiveError::NotArchived { month });
            }
            parts.retain(|part| part.deleted);
        }
    }
    if parts.is_empty() {
        return Err(ArchiveError::AlreadyLive { month });
    }
    for part in &parts {
        file::verify(part, progress).await?;
    }
    let records = parts.iter().filter_map(|part| part.record_count).sum();
    if !dry_run {
        begin(progress, format!("{month}: restoring"), Some(records));
        let rows = checked_rows(&parts, progress);
        hot.restore(month, &parts, from.is_some(), rows).await?;
        tracing::info!(%month, records, "restored");
    }
    Ok(Restored {
        month: month.to_string(),
        files: parts.into_iter().map(|part| part.file_path).collect(),
        records,
    })
}

/// The rows of some files, one file after the other. The last word on each is whether it held what was noted: it may
/// have changed since it was verified.
fn checked_rows(parts: &[Part], progress: &watch::Sender<ArchiveProgress>) -> Heaps {
    let (to, rows) = mpsc::channel(2);
    let parts = parts.to_vec();
    let progress = progress.clone();
    tokio::spawn(async move {
        for part in &parts {
            // Whoever takes the rows has stopped, then, and says why itself.
            if !pass_on(part, &progress, &to).await {
                return;
            }
        }
    });
    rows
}

/// Whether it goes on.
async fn pass_on(
    part: &Part,
    progress: &watch::Sender<ArchiveProgress>,
    to: &mpsc::Sender<Result<Vec<Row>, ArchiveError>>,
) -> bool {
    let mut heaps = match file::read(&part.file_path, None).await {
        Ok(heaps) => heaps,
        Err(error) => return to.send(Err(error)).await.is_ok(),
    };
    let mut digest = RowDigest::default();
    let mut records = 0;
    while let Some(heap) = heaps.recv().await {
        for row in heap.iter().flatten() {
            digest.add(row);
            records += 1;
        }
        if let Ok(heap) = &heap {
            progress.send_modify(|progress| progress.records += heap.len() as u64);
        }
        if to.send(heap).await.is_err() {
            return false;
        }
    }
    if Some(records) == part.record_count && Some(digest.to_string()) == part.digest {
        return true;
    }
    let error = ArchiveError::File {
        file: part.file_path.clone(),
        reason: "it changed while it was read".to_owned(),
    };
    to.send(Err(error)).await.is_ok()
}

/// What the manifests at a destination say of a month: all its parts, or why they cannot be all.
async fn parts_at(destination: &Destination, month: Month) -> Result<Vec<Part>, ArchiveError> {
    let files = destination.list().await?;
    // A file without a manifest counts, and so does a manifest without a file.
    let of_file = |name: &'_ str| {
        name.strip_suffix(".manifest.json")
            .unwrap_or(name)
            .to_owned()
    };
    let names: BTreeSet<String> = files.iter().map(|(name, _)| of_file(name)).collect();
    let mut parts = BTreeMap::new();
    for name in names.iter().filter(|name| part::is_of_month(name, month)) {
        let wrong = |reason: String| ArchiveError::File {
            file: destination.location(name),
            reason,
        };
        let manifest = match read_manifest(destination, name).await {
            Err(ArchiveError::Destination(error)) if error.is_not_found() => {
                return Err(wrong("its manifest is missing".to_owned()));
            }
            other => other?,
        };
        if manifest.file != *name || manifest.month != month.to_string() {
            return Err(wrong("its manifest is that of another file".to_owned()));
        }
        let part = Part {
            id: 0,
            month: manifest.month,
            part: manifest.part,
            state: PartState::Verified,
            file_path: destination.location(name),
            record_count: i64::try_from(manifest.record_count).ok(),
            file_size: i64::try_from(manifest.file_size).ok(),
            sha256: Some(manifest.sha256),
            digest: Some(manifest.digest),
            spans: manifest
                .clients
                .into_iter()
                .map(|client| client.span)
                .collect(),
            archived_at: None,
            deleted: false,
            restored_at: None,
        };
        if parts.insert(manifest.part, part).is_some() {
            return Err(wrong(format!("part {} is there twice", manifest.part)));
        }
    }
    for (wanted, part) in (0..).zip(parts.keys()) {
        if wanted != *part {
            return Err(ArchiveError::File {
                file: destination.location(&part::file_name(month, wanted, "parquet")),
                reason: "this part of the month is missing".to_owned(),
            });
        }
    }
    if parts.is_empty() {
        return Err(ArchiveError::NoFiles {
            month,
            place: destination.to_string(),
        });
    }
    Ok(parts.into_values().collect())
}
