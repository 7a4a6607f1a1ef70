//! One archive file: written in one go, read back to the last record.

use std::io::{self, BufReader, Read, Write};
use std::ops::Range;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;

use super::archiver::begin;
use super::format::{FileError, FileWriter, RowDigest, Summary, read_csv_gz, read_parquet};
use super::manifest::{Manifest, manifest_name};
use super::part::name_of;
use super::pipe::PipeWriter;
use super::{ArchiveError, ArchiveProgress, Destination, FileFormat, Part, Span};
use crate::Row;
use crate::export::hex;
use crate::hot::{Hot, Wanted};

/// Heaps of rows, and pieces of the file, that may be on their way.
const UNDER_WAY: usize = 4;
/// What is fetched at once of a file that is read back.
const FETCH: usize = 1 << 20;

/// Bytes of a manifest, which is read as a whole: some 300 for each spool that has records in the month.
const LARGEST_MANIFEST: u64 = 16_000_000;

/// A file that was written.
pub(super) struct Written {
    pub(super) spans: Vec<Span>,
    pub(super) summary: Summary,
}

/// Writes the wanted rows to a file. Nothing is there under its name until all of it is.
pub(super) async fn write(
    hot: &mut Hot,
    wanted: &Wanted,
    destination: &Destination,
    name: &str,
    format: FileFormat,
    progress: &watch::Sender<ArchiveProgress>,
) -> Result<Written, ArchiveError> {
    let (to_encoder, rows) = mpsc::channel(UNDER_WAY);
    let (to_upload, mut pieces) = mpsc::channel::<Bytes>(UNDER_WAY);
    let mut upload = destination.create(name).await?;
    let progress = progress.clone();
    let encoder =
        spawn_blocking(move || encode(rows, PipeWriter::new(to_upload), format, &progress));
    let reading = async {
        let spans = hot.read(wanted, &to_encoder).await;
        drop(to_encoder);
        spans
    };
    let uploading = async move {
        while let Some(piece) = pieces.recv().await {
            upload.write(piece).await?;
        }
        // Should this end early, `pieces` goes, and nobody waits for it.
        Ok::<_, ArchiveError>(upload)
    };
    let (spans, uploaded) = tokio::join!(reading, uploading);
    let encoded = encoder.await.map_err(|_| ArchiveError::Stopped)?;
    let upload = uploaded?;
    // Whoever failed made the others stop: the reader's reason is the one to tell, then the encoder's.
    let failed = match (spans, encoded) {
        (Ok(spans), Ok(summary)) => {
            hot.holds_lock().await?;
            upload.finish().await?;
            return Ok(Written { spans, summary });
        }
        (Err(ArchiveError::Stopped) | Ok(_), Err(error)) => error.into(),
        (Err(error), _) => error,
    };
    upload.abort().await?;
    Err(failed)
}

fn encode(
    mut rows: mpsc::Receiver<Vec<Row>>,
    output: PipeWriter,
    format: FileFormat,
    progress: &watch::Sender<ArchiveProgress>,
) -> Result<Summary, FileError> {
    let mut writer = FileWriter::new(format, output)?;
    while let Some(heap) = rows.blocking_recv() {
        progress.send_modify(|progress| progress.records += heap.len() as u64);
        for row in &heap {
            writer.push(row)?;
        }
    }
    let (summary, mut output) = writer.finish()?;
    output.flush().map_err(FileError::Write)?;
    Ok(summary)
}

/// Writes what stands beside a file.
pub(super) async fn write_manifest(
    destination: &Destination,
    part: &Part,
    format: FileFormat,
    summary: &Summary,
) -> Result<(), ArchiveError> {
    let name = name_of(&part.file_path);
    let manifest = Manifest::new(part, name, format, summary);
    let text = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
    let mut upload = destination.create(&manifest_name(name)).await?;
    upload.write(text.into()).await?;
    Ok(upload.finish().await?)
}

/// Reads what stands beside a file.
pub(super) async fn read_manifest(
    destination: &Destination,
    file: &str,
) -> Result<Manifest, ArchiveError> {
    let name = manifest_name(file);
    let wrong = |reason| ArchiveError::File {
        file: destination.location(&name),
        reason,
    };
    let size = destination.size(&name).await?;
    if size > LARGEST_MANIFEST {
        return Err(wrong(format!(
            "it has {size} bytes, and no manifest has more than {LARGEST_MANIFEST}: it is something else"
        )));
    }
    let bytes = destination.read_range(&name, 0..size).await?;
    Manifest::parse(&bytes).map_err(wrong)
}

/// Reads a file back: its bytes must have the SHA-256, and its records the digest that was noted.
pub(super) async fn verify(
    part: &Part,
    progress: &watch::Sender<ArchiveProgress>,
) -> Result<(), ArchiveError> {
    let wrong = |reason: String| ArchiveError::File {
        file: part.file_path.clone(),
        reason,
    };
    let doing = format!("{}: reading back", part.month);
    begin(progress, doing, part.record_count);
    let (destination, name) = Destination::of_location(&part.file_path)?;
    let (size, mut stream) = destination.read(&name).await?;
    if i64::try_from(size).ok() != part.file_size {
        return Err(wrong(format!(
            "it has {size} bytes, not {}",
            part.file_size.unwrap_or_default()
        )));
    }
    let mut hash = Sha256::new();
    while let Some(piece) = stream.try_next().await? {
        hash.update(&piece);
    }
    if Some(hex(&hash.finalize())) != part.sha256 {
        return Err(wrong(
            "its SHA-256 is not the one that was noted".to_owned(),
        ));
    }
    let mut digest = RowDigest::default();
    let mut records = 0_i64;
    let mut rows = read(&part.file_path, None).await?;
    while let Some(heap) = rows.recv().await {
        for row in heap? {
            digest.add(&row);
            records += 1;
        }
        progress.send_modify(|progress| progress.records = records.unsigned_abs());
    }
    if Some(records) != part.record_count || Some(digest.to_string()) != part.digest {
        return Err(wrong(format!(
            "its records are not those that were written ({records} of {})",
            part.record_count.unwrap_or_default()
        )));
    }
    let manifest = read_manifest(&destination, &name).await?;
    if Some(&manifest.sha256) != part.sha256.as_ref() {
        return Err(wrong("its manifest is that of another file".to_owned()));
    }
    Ok(())
}

/// The rows of a file, those of the given time where one is given, heap after heap.
pub(crate) async fn read(
    location: &str,
    micros: Option<Range<i64>>,
) -> Result<mpsc::Receiver<Result<Vec<Row>, ArchiveError>>, ArchiveError> {
    let (destination, name) = Destination::of_location(location)?;
    let format = FileFormat::of_name(&name).ok_or_else(|| ArchiveError::File {
        file: location.to_owned(),
        reason: "its name ends neither in .parquet nor in .csv.gz".to_owned(),
    })?;
    let size = destination.size(&name).await?;
    let file = Remote {
        destination,
        name,
        size,
        runtime: Handle::current(),
    };
    let (to, rows) = mpsc::channel(UNDER_WAY);
    let location = location.to_owned();
    spawn_blocking(move || {
        let decoded = match format {
            FileFormat::Parquet => {
                read_parquet(location, file, micros).and_then(|rows| hand_over(rows, &to))
            }
            FileFormat::CsvGz => {
                let bytes = BufReader::with_capacity(FETCH, file.from(0));
                read_csv_gz(location, bytes, micros).and_then(|rows| hand_over(rows, &to))
            }
        };
        if let Err(error) = decoded {
            // Nobody waits for it any more, then.
            let _ = to.blocking_send(Err(error.into()));
        }
    });
    Ok(rows)
}

/// What a row takes beside its query.
const ROW: usize = 200;
/// Bytes of a heap.
const HEAP: usize = 1 << 20;

/// Hands rows over in heaps, as long as somebody takes them.
fn hand_over(
    rows: impl Iterator<Item = Result<Row, FileError>>,
    to: &mpsc::Sender<Result<Vec<Row>, ArchiveError>>,
) -> Result<(), FileError> {
    let mut heap = Vec::new();
    let mut bytes = 0;
    for row in rows {
        let row = row?;
        bytes += row.query.len() + ROW;
        heap.push(row);
        if bytes > HEAP {
            bytes = 0;
            if to.blocking_send(Ok(std::mem::take(&mut heap))).is_err() {
                return Ok(());
            }
        }
    }
    let _ = to.blocking_send(Ok(heap));
    Ok(())
}

/// A file elsewhere, for code that reads here and there in it. Not for async code.
#[derive(Clone)]
struct Remote {
    destination: Destination,
    name: String,
    size: u64,
    runtime: Handle,
}

impl Remote {
    fn from(self, at: u64) -> RemoteRead {
        RemoteRead { file: self, at }
    }

    fn fetch(&self, range: Range<u64>) -> io::Result<Bytes> {
        self.runtime
            .block_on(self.destination.read_range(&self.name, range))
            .map_err(io::Error::other)
    }
}

impl Length for Remote {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Remote {
    type T = BufReader<RemoteRead>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::with_capacity(FETCH, self.clone().from(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.saturating_add(length as u64);
        if end > self.size {
            return Err(ParquetError::EOF(format!(
                "{end} is beyond the end of the file"
            )));
        }
        Ok(self.fetch(start..end)?)
    }
}

/// Reads on from a place.
struct RemoteRead {
    file: Remote,
    at: u64,
}

impl Read for RemoteRead {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let end = self.file.size.min(self.at + into.len() as u64);
        if self.at >= end {
            return Ok(0);
        }
        let bytes = self.file.fetch(self.at..end)?;
        let mut rest = into;
        rest.write_all(&bytes)?;
        self.at = end;
        Ok(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_too_large_for_a_manifest_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let destination = Destination::parse(dir.path().to_str().unwrap()).unwrap();
        let file = "searches_2026-10.parquet";
        let path = dir.path().join(manifest_name(file));
        // It takes no room on the disk.
        let manifest = std::fs::File::create(&path).unwrap();
        let read = async |size: u64| {
            manifest.set_len(size).unwrap();
            let error = read_manifest(&destination, file).await.unwrap_err();
            assert!(error.is_about_the_file());
            error.to_string()
        };
        let reason = read(LARGEST_MANIFEST + 1).await;
        assert_eq!(
            reason,
            format!(
                "{}: it has 16000001 bytes, and no manifest has more than 16000000: it is something else",
                path.display()
            )
        );
        // It is read, and is no JSON.
        let reason = read(LARGEST_MANIFEST).await;
        assert!(reason.contains("line 1"), "{reason}");
    }
}
