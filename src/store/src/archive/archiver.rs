//! One month after the other: write it to a file, read the file back, and only then delete the records.
//!
//! Each step is noted when it is done, so that a run which ends anywhere is taken up by the next:
//!
//! | noted | the file | the records |
//! |---|---|---|
//! | `writing` | anything | live |
//! | `written` | complete | live |
//! | `verified` | read back, equal to the records | live, or detached |
//! | `verified`, `deleted` | read back, equal to the records | only in the file |
//!
//! Records that come too late for their month go into a file of their own. Which ones these are follows from how far each
//! client had come when a file was written: records arrive in the order of their numbers.

use tokio::sync::watch;

use super::{
    ArchiveError, Destination, FileFormat, ManifestClient, Month, Part, PartState, Span, covered,
    file, part,
};
use crate::hot::{Hot, Place, Wanted};

/// What to do with a month.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ArchiveOptions {
    /// The form of new files.
    pub format: FileFormat,
    /// Whether the records leave the live tables when they are in verified files.
    pub delete: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

impl Default for ArchiveOptions {
    fn default() -> Self {
        Self {
            format: FileFormat::Parquet,
            delete: true,
            dry_run: false,
        }
    }
}

/// What was done, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Archived {
    /// The month.
    pub month: String,
    /// Files that were written, with their records and bytes.
    pub written: Vec<WrittenFile>,
    /// Records that were deleted from the live tables.
    pub deleted: Option<i64>,
    /// Why records stay although they are in verified files.
    pub kept: Option<&'static str>,
}

/// A file that was written and read back.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct WrittenFile {
    /// Where.
    pub file_path: String,
    /// Records in it.
    pub records: i64,
    /// Its size.
    pub bytes: i64,
}

/// What the archiver is doing, for people who wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchiveProgress {
    /// The month, and what is done with it.
    pub doing: String,
    /// Records so far.
    pub records: u64,
    /// Records that are expected.
    pub of: u64,
}

/// Tells those who wait what begins now.
pub(super) fn begin(progress: &watch::Sender<ArchiveProgress>, doing: String, of: Option<i64>) {
    progress.send_replace(ArchiveProgress {
        doing,
        records: 0,
        of: of.unwrap_or_default().unsigned_abs(),
    });
}

/// Archives months of one store to one destination.
#[derive(Debug)]
pub struct Archiver {
    hot: Hot,
    destination: Destination,
    options: ArchiveOptions,
    progress: watch::Sender<ArchiveProgress>,
}

impl Archiver {
    /// From a place to a destination. Takes the only seat there is for an archiver.
    pub async fn open(
        place: &Place,
        destination: Destination,
        options: ArchiveOptions,
    ) -> Result<Self, ArchiveError> {
        let mut hot = Hot::open(place).await?;
        hot.lock().await?;
        Ok(Self {
            hot,
            destination,
            options,
            progress: watch::Sender::default(),
        })
    }

    /// What it is doing.
    pub fn progress(&self) -> watch::Receiver<ArchiveProgress> {
        self.progress.subscribe()
    }

    /// Months that are over and have live records, the oldest first.
    pub async fn due(&mut self, now: jiff::Timestamp) -> Result<Vec<Month>, ArchiveError> {
        let mut months = self.hot.months().await?;
        for part in self.hot.parts(None).await? {
            // An interrupted run may have left a table that is no month of the live ones any more.
            if !part.deleted
                && let Ok(month) = part.month.parse()
                && !months.contains(&month)
            {
                months.push(month);
            }
        }
        months.sort();
        months.retain(|month| *month < Month::of(now));
        Ok(months)
    }

    /// Archives every month that is over; the last `keep` of them stay live, too. A month that cannot be archived does not
    /// keep the others from it; the first such failure is given beside what was done.
    pub async fn archive_due(
        &mut self,
        now: jiff::Timestamp,
        keep: u32,
    ) -> (Vec<Archived>, Result<(), ArchiveError>) {
        let mut done = Vec::new();
        let failed = self.archive_all(now, keep, &mut done).await;
        (done, failed)
    }

    async fn archive_all(
        &mut self,
        now: jiff::Timestamp,
        keep: u32,
        done: &mut Vec<Archived>,
    ) -> Result<(), ArchiveError> {
        let mut failed = Ok(());
        for month in self.due(now).await? {
            let kept = if month >= Month::of(now).minus(keep) {
                Some("it is one of the months that stay live")
            } else if self
                .hot
                .parts(Some(month))
                .await?
                .iter()
                .any(|part| part.restored_at.is_some())
            {
                Some("it was restored; archive it by its name to delete it again")
            } else {
                None
            };
            match self.month(month, kept).await {
                Ok(archived) => done.push(archived),
                Err(error) if error.is_about_the_month() => {
                    tracing::error!(%month, "the month is left: {error}");
                    failed = failed.and(Err(error));
                }
                Err(error) => return Err(error),
            }
        }
        self.hot.prepare().await?;
        failed
    }

    /// Archives one month.
    pub async fn archive(
        &mut self,
        month: Month,
        now: jiff::Timestamp,
    ) -> Result<Archived, ArchiveError> {
        if month >= Month::of(now) {
            return Err(ArchiveError::NotOver { month });
        }
        let archived = self.month(month, None).await?;
        self.hot.prepare().await?;
        Ok(archived)
    }

    async fn month(
        &mut self,
        month: Month,
        kept: Option<&'static str>,
    ) -> Result<Archived, ArchiveError> {
        let mut archived = Archived {
            month: month.to_string(),
            ..Archived::default()
        };
        let kept = kept.or((!self.options.delete).then_some("deleting was not asked for"));
        if self.options.dry_run {
            self.plan(month, kept, &mut archived).await?;
            return Ok(archived);
        }
        self.hot.tidy(month).await?;
        // What an earlier run took away and did not finish comes first.
        for table in self.hot.detached(month).await? {
            self.write(month, Some(&table), &mut archived).await?;
            self.check_again(month, Some(&table), &mut archived).await?;
            self.delete(month, Some(&table), &mut archived).await?;
        }
        self.write(month, None, &mut archived).await?;
        archived.kept = kept;
        if kept.is_none()
            && self
                .hot
                .parts(Some(month))
                .await?
                .iter()
                .any(|part| !part.deleted)
        {
            self.check_again(month, None, &mut archived).await?;
            self.refresh_figures(month).await;
            self.must_be_archived(month).await?;
            let table = self.hot.detach(month).await?;
            // What came while the file was written and read.
            self.write(month, table.as_deref(), &mut archived).await?;
            self.delete(month, table.as_deref(), &mut archived).await?;
        }
        Ok(archived)
    }

    /// What would be written and deleted.
    async fn plan(
        &mut self,
        month: Month,
        kept: Option<&'static str>,
        archived: &mut Archived,
    ) -> Result<(), ArchiveError> {
        let parts = self.hot.parts(Some(month)).await?;
        let wanted = Wanted {
            without: covered(&parts),
            ..Wanted::all_of(month)
        };
        let live = self.hot.expected(month.days()).await?;
        let gone: i64 = parts
            .iter()
            .filter(|part| part.deleted)
            .filter_map(|part| part.record_count)
            .sum();
        if self.hot.any(&wanted).await? {
            let name = part::file_name(month, next_part(&parts), self.options.format.extension());
            archived.written.push(WrittenFile {
                file_path: self.destination.location(&name),
                records: live
                    - parts
                        .iter()
                        .filter_map(|part| part.record_count)
                        .sum::<i64>(),
                bytes: 0,
            });
        }
        archived.kept = kept;
        archived.deleted = kept.is_none().then_some(live - gone);
        Ok(())
    }

    /// Brings every record of the month, or of a table that was taken away, into verified files.
    async fn write(
        &mut self,
        month: Month,
        detached: Option<&str>,
        archived: &mut Archived,
    ) -> Result<(), ArchiveError> {
        let parts = self.verified_parts(month, detached, archived).await?;
        let wanted = Wanted {
            detached: detached.map(str::to_owned),
            without: covered(&parts),
            ..Wanted::all_of(month)
        };
        if self.hot.any(&wanted).await? {
            let part = self
                .write_part(month, next_part(&parts), None, &wanted)
                .await?;
            archived.written.push(part.into());
        }
        Ok(())
    }

    /// The files of the month that were found right. The last one that is not is written again from all there is by then,
    /// under its number; one before others with the records that it had.
    async fn verified_parts(
        &mut self,
        month: Month,
        detached: Option<&str>,
        archived: &mut Archived,
    ) -> Result<Vec<Part>, ArchiveError> {
        let mut parts = self.hot.parts(Some(month)).await?;
        for part in &mut parts {
            // An earlier run completed it and did not get to read it back.
            if part.state == PartState::Written && self.is_right(part).await? {
                self.hot.verified(part.id).await?;
                part.state = PartState::Verified;
            }
        }
        let is_verified = |part: &&Part| part.state == PartState::Verified;
        let last = parts.iter().filter(is_verified).map(|part| part.part).max();
        for part in &mut parts {
            if part.state != PartState::Verified && Some(part.part) < last {
                *part = self.write_again(month, part, detached, archived).await?;
            }
        }
        parts.retain(|part| part.state == PartState::Verified);
        Ok(parts)
    }

    /// Writes a file once more whose records are all live.
    async fn write_again(
        &mut self,
        month: Month,
        part: &Part,
        detached: Option<&str>,
        archived: &mut Archived,
    ) -> Result<Part, ArchiveError> {
        let before = |span: &Span| Span {
            through: span.after,
            ..span.clone()
        };
        let wanted = Wanted {
            detached: detached.map(str::to_owned),
            without: part.spans.iter().map(before).collect(),
            only: part.spans.clone(),
            ..Wanted::all_of(month)
        };
        let again = self
            .write_part(month, part.part, Some(part), &wanted)
            .await?;
        archived.written.push(again.clone().into());
        Ok(again)
    }

    /// Reads a file of an earlier run. One that is not what it should be is written again, and that is told.
    async fn is_right(&self, part: &Part) -> Result<bool, ArchiveError> {
        match file::verify(part, &self.progress).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_about_the_file() => {
                tracing::warn!(file = part.file_path, "the file is written again: {error}");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn write_part(
        &mut self,
        month: Month,
        number: i32,
        again: Option<&Part>,
        wanted: &Wanted,
    ) -> Result<Part, ArchiveError> {
        let name = part::file_name(month, number, self.options.format.extension());
        let location = self.destination.location(&name);
        self.must_be_free(month, number, &name).await?;
        let id = match again {
            Some(part) => {
                self.hot.begin_again(part.id, &location).await?;
                part.id
            }
            None => self.hot.begin(month, number, &location).await?,
        };
        tracing::info!(%month, file = location, "writing");
        let expected = self.hot.expected(month.days()).await?;
        let writing = format!("{month}: writing {name}");
        begin(&self.progress, writing, Some(expected));
        let written = file::write(
            &mut self.hot,
            wanted,
            &self.destination,
            &name,
            self.options.format,
            &self.progress,
        )
        .await?;
        let records = i64::try_from(written.summary.records).ok();
        if let Some(part) = again
            && (part.digest.as_ref(), part.record_count) != (Some(&written.summary.digest), records)
        {
            return Err(ArchiveError::Differs {
                month,
                found: records.unwrap_or_default(),
                archived: part.record_count.unwrap_or_default(),
            });
        }
        let part = Part {
            id,
            month: month.to_string(),
            part: number,
            state: PartState::Written,
            file_path: location,
            record_count: records,
            file_size: i64::try_from(written.summary.file.size).ok(),
            sha256: Some(written.summary.file.sha256.clone()),
            digest: Some(written.summary.digest.clone()),
            spans: written.spans,
            archived_at: None,
            deleted: false,
            restored_at: None,
        };
        file::write_manifest(
            &self.destination,
            &part,
            self.options.format,
            &written.summary,
        )
        .await?;
        self.hot.written(&part).await?;
        file::verify(&part, &self.progress).await?;
        self.hot.verified(id).await?;
        tracing::info!(%month, file = part.file_path, records = part.record_count, bytes = part.file_size, "verified");
        Ok(part)
    }

    /// Before records go, files of earlier runs are read once more: what was right then may be gone now.
    async fn check_again(
        &mut self,
        month: Month,
        detached: Option<&str>,
        archived: &mut Archived,
    ) -> Result<(), ArchiveError> {
        for part in self.hot.parts(Some(month)).await? {
            let new = archived
                .written
                .iter()
                .any(|file| file.file_path == part.file_path);
            if !part.deleted && !new && !self.is_right(&part).await? {
                self.write_again(month, &part, detached, archived).await?;
            }
        }
        Ok(())
    }

    /// Looked at while the month is where everybody finds it.
    async fn must_be_archived(&mut self, month: Month) -> Result<(), ArchiveError> {
        let parts = self.hot.parts(Some(month)).await?;
        let live = parts.iter().filter(|part| !part.deleted);
        let archived = live.filter_map(|part| part.record_count).sum();
        self.hot
            .must_be_archived(month, covered(&parts), archived)
            .await
    }

    /// What another store wrote is not overwritten, nor what this one wrote before it was put back to an older state.
    async fn must_be_free(
        &mut self,
        month: Month,
        number: i32,
        name: &str,
    ) -> Result<(), ArchiveError> {
        let file = self.destination.location(name);
        let manifest = match file::read_manifest(&self.destination, name).await {
            Ok(manifest) => Some(manifest),
            Err(error) if error.is_about_the_file() => None,
            Err(error) => return Err(error),
        };
        if manifest.is_none() && !self.destination.has(name).await? {
            return Ok(());
        }
        let parts = self.hot.parts(Some(month)).await?;
        let is_ours = |part: &Part| part.part == number && part.file_path == file;
        let reached = self.hot.reached().await?;
        let is_live = |client: &ManifestClient| {
            let ManifestClient { span, .. } = client;
            reached.iter().any(|live| {
                live.is_of(&span.client_id, &span.spool) && live.through >= span.through
            })
        };
        if parts.iter().any(is_ours)
            && manifest.is_none_or(|manifest| manifest.clients.iter().all(is_live))
        {
            return Ok(());
        }
        Err(ArchiveError::Taken { file })
    }

    /// Figures can be computed from the files, too, but are cheaper from live records.
    async fn refresh_figures(&mut self, month: Month) {
        match crate::report::refresh_days(&mut self.hot, month.days()).await {
            Ok(refreshed) => {
                for (day, reason) in refreshed.left {
                    tracing::warn!(%day, "the day's figures are not up to date: {reason}");
                }
            }
            Err(error) => tracing::warn!(%month, "the month's figures are not up to date: {error}"),
        }
    }

    async fn delete(
        &mut self,
        month: Month,
        table: Option<&str>,
        archived: &mut Archived,
    ) -> Result<(), ArchiveError> {
        let deleted = self.hot.drop_archived(month, table).await?;
        tracing::info!(%month, records = deleted, "deleted from the live tables");
        *archived.deleted.get_or_insert_default() += deleted;
        Ok(())
    }
}

impl From<Part> for WrittenFile {
    fn from(part: Part) -> Self {
        Self {
            file_path: part.file_path,
            records: part.record_count.unwrap_or_default(),
            bytes: part.file_size.unwrap_or_default(),
        }
    }
}

/// The number after the last of these.
fn next_part(parts: &[Part]) -> i32 {
    parts
        .iter()
        .map(|part| part.part + 1)
        .max()
        .unwrap_or_default()
}
