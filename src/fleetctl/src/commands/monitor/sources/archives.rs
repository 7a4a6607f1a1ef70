//! The archive: what has left the live tables.

use fleet_store::{Listed, Place, list_archives};

use crate::commands::monitor::snapshot::{Archives, LastArchive};

/// The place of the records, and of the notes of what was archived.
#[derive(Debug, Clone)]
pub(crate) struct ArchiveSource {
    pub(crate) place: Place,
}

impl ArchiveSource {
    pub(super) async fn poll(&self) -> Result<Archives, anyhow::Error> {
        Ok(summary(list_archives(&self.place, None).await?))
    }
}

fn summary(listed: Vec<Listed>) -> Archives {
    let mut archives = Archives::default();
    for Listed {
        file,
        part,
        problem,
    } in listed
    {
        if let Some(problem) = problem {
            archives.problems.push(format!("{file}: {problem}"));
        }
        let Some(part) = part else { continue };
        archives.files += 1;
        archives.records += part.record_count.unwrap_or_default();
        archives.bytes += part.file_size.unwrap_or_default();
        // RFC 3339 in UTC sorts as text; without a time it is not finished.
        let Some(archived_at) = part.archived_at else {
            continue;
        };
        let is_later = |last: &LastArchive| last.archived_at < archived_at;
        if archives.last.as_ref().is_none_or(is_later) {
            archives.last = Some(LastArchive {
                month: part.month,
                archived_at,
                file,
            });
        }
    }
    archives
}
