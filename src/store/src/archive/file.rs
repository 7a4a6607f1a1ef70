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

use super::format::{self, Digest, FormatError, Summary};
use super::manifest::{Manifest, manifest_name};
use super::pipe::PipeWriter;
use super::{ArchiveError, ArchiveProgress, Destination, FileFormat, Part, Span};
use crate::Row;
use crate::hot::{Hot, Wanted};

/// Heaps of rows, and pieces of the file, that may be on their way.
const UNDER_WAY: usize = 4;
/// What is fetched at once of a file that is read back.
const FETCH: u64 = 1 << 20;

/// A file that was written.
pub(super) struct Written {
    pub(super) spans: Vec<Span>,
    pub(super) summary: Summary,
    pub(super) bytes: u64,
    pub(super) sha256: String,
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
    let uploading = async {
        let mut hash = Sha256::new();
        let mut bytes = 0;
        while let Some(piece) = pieces.recv().await {
            hash.update(&piece);
            bytes += piece.len() as u64;
            upload.write(piece).await?;
        }
        // Nobody takes pieces any more, should this end early.
        Ok::<_, ArchiveError>((upload, bytes, hex(&hash.finalize())))
    };
    let (spans, uploaded) = tokio::join!(reading, uploading);
    let encoded = encoder.await.map_err(|_| ArchiveError::Stopped)?;
    // Whoever failed first made the others stop: its reason is the one to tell.
    let (upload, bytes, sha256) = match (uploaded, &encoded, &spans) {
        (Ok(uploaded), Ok(_), Ok(_)) => uploaded,
        (Ok((upload, ..)), _, _) => {
            upload.abort().await?;
            spans?;
            return Err(of_file(destination, name)(encoded.err().unwrap_or_else(
                || FormatError::Damaged("it was not written to the end".to_owned()),
            )));
        }
        (Err(error), _, _) => return Err(error),
    };
    upload.finish().await?;
    Ok(Written {
        spans: spans?,
        summary: encoded.map_err(of_file(destination, name))?,
        bytes,
        sha256,
    })
}

fn encode(
    mut rows: mpsc::Receiver<Vec<Row>>,
    output: PipeWriter,
    format: FileFormat,
    progress: &watch::Sender<ArchiveProgress>,
) -> Result<Summary, FormatError> {
    let mut writer = format::Writer::new(format, output)?;
    while let Some(heap) = rows.blocking_recv() {
        progress.send_modify(|progress| progress.records += heap.len() as u64);
        for row in heap {
            writer.push(row)?;
        }
    }
    writer.finish()
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
    let size = destination.size(&name).await?;
    let bytes = destination.read_range(&name, 0..size).await?;
    Manifest::parse(&bytes).map_err(|reason| ArchiveError::File {
        file: destination.location(&name),
        reason,
    })
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
    let mut digest = Digest::default();
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
        let wrong = |error: FormatError| match error {
            FormatError::Io(source) => ArchiveError::Io {
                file: location.clone(),
                source,
            },
            FormatError::Damaged(reason) => ArchiveError::File {
                file: location.clone(),
                reason,
            },
        };
        let decode = || -> Result<(), FormatError> {
            let mut heap = Vec::new();
            let mut bytes = 0;
            for row in format::read(format, file, micros)? {
                let row = row?;
                bytes += row.query.len() + 200;
                heap.push(row);
                if bytes > 1 << 20 {
                    bytes = 0;
                    if to.blocking_send(Ok(std::mem::take(&mut heap))).is_err() {
                        return Ok(());
                    }
                }
            }
            let _ = to.blocking_send(Ok(heap));
            Ok(())
        };
        if let Err(error) = decode() {
            let _ = to.blocking_send(Err(wrong(error)));
        }
    });
    Ok(rows)
}

/// A file elsewhere, for code that reads here and there in it. Not for async code.
struct Remote {
    destination: Destination,
    name: String,
    size: u64,
    runtime: Handle,
}

impl Remote {
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
        let read = RemoteRead {
            file: Self {
                destination: self.destination.clone(),
                name: self.name.clone(),
                size: self.size,
                runtime: self.runtime.clone(),
            },
            at: start,
        };
        Ok(BufReader::with_capacity(
            usize::try_from(FETCH).unwrap_or(1 << 20),
            read,
        ))
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

fn of_file(destination: &Destination, name: &str) -> impl Fn(FormatError) -> ArchiveError {
    let file = destination.location(name);
    move |error| match error {
        FormatError::Io(source) => ArchiveError::Io {
            file: file.clone(),
            source,
        },
        FormatError::Damaged(reason) => ArchiveError::File {
            file: file.clone(),
            reason,
        },
    }
}

fn name_of(location: &str) -> &str {
    location.rsplit('/').next().unwrap_or(location)
}

fn hex(bytes: &[u8]) -> String {
    crate::export::hex(bytes)
}
