//! What there is: the notes of the store beside what really lies at the destinations.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tokio::sync::watch;

use super::manifest::manifest_name;
use super::{ArchiveError, ArchiveProgress, Destination, Month, Part, PartState, file, part};
use crate::error::with_causes;
use crate::hot::{Hot, Place};

/// A file of the archive, noted or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Where it is, or should be.
    pub file: String,
    /// What the store has noted; nothing for a file that it does not know.
    #[serde(flatten)]
    pub part: Option<Part>,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// All files: those that the store has noted, and what else lies where they are, or at `destination`.
///
/// Looks at names and sizes only; [`verify_archives`] reads.
pub async fn list_archives(
    place: &Place,
    destination: Option<&Destination>,
) -> Result<Vec<Listed>, ArchiveError> {
    let parts = Hot::open(place).await?.parts(None).await?;
    let mut places: BTreeMap<String, Destination> = BTreeMap::new();
    if let Some(destination) = destination {
        places.insert(destination.to_string(), destination.clone());
    }
    for part in &parts {
        let (destination, _) = Destination::of_location(&part.file_path)?;
        places.insert(destination.to_string(), destination);
    }
    let mut found = BTreeMap::new();
    let mut unread = BTreeMap::new();
    for (name, destination) in places {
        match destination.list().await {
            Ok(files) => {
                let located = |(name, size): (String, u64)| (destination.location(&name), size);
                found.extend(files.into_iter().map(located));
            }
            Err(error) => {
                unread.insert(name, with_causes(&error));
            }
        }
    }
    let noted: BTreeSet<String> = parts
        .iter()
        .flat_map(|part| [part.file_path.clone(), manifest_name(&part.file_path)])
        .collect();
    let mut listed = Vec::new();
    for part in parts {
        let place = Destination::of_location(&part.file_path)?.0.to_string();
        let problem = unread
            .get(&place)
            .cloned()
            .or_else(|| problem(&part, &found));
        listed.push(Listed {
            file: part.file_path.clone(),
            part: Some(part),
            problem,
        });
    }
    let orphans = found.into_keys().filter(|file| !noted.contains(file));
    listed.extend(orphans.filter_map(|file| {
        let problem = orphan(part::name_of(&file))?.to_owned();
        Some(Listed {
            file,
            part: None,
            problem: Some(problem),
        })
    }));
    let unread = unread.into_iter().map(|(file, problem)| Listed {
        file,
        part: None,
        problem: Some(problem),
    });
    listed.extend(unread);
    Ok(listed)
}

/// What is wrong with a file that is noted.
fn problem(part: &Part, found: &BTreeMap<String, u64>) -> Option<String> {
    if part.state == PartState::Writing {
        return Some("it is being written, or that was interrupted".to_owned());
    }
    let Some(size) = found.get(&part.file_path) else {
        return Some("the file is missing".to_owned());
    };
    let noted = part.file_size.unwrap_or_default();
    if i64::try_from(*size) != Ok(noted) {
        return Some(format!("the file has {size} bytes, not {noted}"));
    }
    if !found.contains_key(&manifest_name(&part.file_path)) {
        return Some("its manifest is missing".to_owned());
    }
    None
}

/// Why a file that nobody has noted is there, if it looks like one of ours.
fn orphan(name: &str) -> Option<&'static str> {
    if name.starts_with(".searches_") && name.ends_with(".partial") {
        Some("left by an interrupted run; it may be deleted when no archiver is at work")
    } else if !part::is_ours(name) {
        None
    } else {
        Some("the store does not know this file")
    }
}

/// A file that was read to its end, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// What the store has noted.
    #[serde(flatten)]
    pub part: Part,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// Reads every file of a month, or of all months, to its end: its bytes and its records must be those that were noted.
pub async fn verify_archives(
    place: &Place,
    month: Option<Month>,
    progress: &watch::Sender<ArchiveProgress>,
) -> Result<Vec<Checked>, ArchiveError> {
    let mut parts = Hot::open(place).await?.parts(month).await?;
    // The archiver reads the others itself, or writes them again.
    parts.retain(|part| part.state == PartState::Verified);
    if let Some(month) = month
        && parts.is_empty()
    {
        return Err(ArchiveError::NotArchived { month });
    }
    let mut checked = Vec::new();
    for part in parts {
        let problem = match file::verify(&part, progress).await {
            Ok(()) => None,
            Err(ArchiveError::File { file, reason }) if file == part.file_path => Some(reason),
            Err(error) => Some(with_causes(&error)),
        };
        checked.push(Checked { part, problem });
    }
    Ok(checked)
}
