//! Archive files in a directory.

use std::fmt;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::spawn_blocking;

use super::DestinationError;

/// Files are read in pieces of this size.
const PIECE: usize = 1 << 20;

/// Readable by the group, for those who work with the archives.
const MODE: u32 = 0o640;

#[derive(Clone, Debug)]
pub(super) struct Directory {
    path: PathBuf,
}

impl Directory {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            // Only fails where the process has no directory; every later step then says so.
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) async fn create(&self, name: &str) -> Result<Upload, DestinationError> {
        let partial = self.path(&format!(".{name}.partial"));
        // What an upload that ended early has left. Not written into: it may be a link to somewhere else.
        match fs::remove_file(&partial).await {
            Ok(()) => {}
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(self.failed("write", &partial, source)),
        }
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&partial)
            .await
            .map_err(|source| self.failed("write", &partial, source))?;
        Ok(Upload {
            directory: self.clone(),
            file,
            path: self.path(name),
            partial: Some(partial),
        })
    }

    pub(super) async fn read(
        &self,
        name: &str,
    ) -> Result<(u64, BoxStream<'static, Result<Bytes, DestinationError>>), DestinationError> {
        let path = self.path(name);
        let opened = async {
            let file = File::open(&path).await?;
            let size = file.metadata().await?.len();
            Ok((file, size))
        };
        let (file, size) = opened
            .await
            .map_err(|source| self.failed("read", &path, source))?;
        let directory = self.clone();
        let pieces = stream::try_unfold((file, directory, path), async |mut state| {
            let (file, directory, path) = &mut state;
            let mut piece = BytesMut::with_capacity(PIECE);
            while piece.len() < PIECE {
                let read = file.read_buf(&mut piece).await;
                if read.map_err(|source| directory.failed("read", path, source))? == 0 {
                    break;
                }
            }
            Ok((!piece.is_empty()).then(|| (piece.freeze(), state)))
        });
        Ok((size, pieces.boxed()))
    }

    pub(super) async fn read_range(
        &self,
        name: &str,
        range: Range<u64>,
    ) -> Result<Bytes, DestinationError> {
        let path = self.path(name);
        let of = path.clone();
        let read = move || {
            let file = std::fs::File::open(&of)?;
            // Before memory is taken for bytes that are not there.
            if range.end > file.metadata()?.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, range.start)?;
            Ok(Bytes::from(bytes))
        };
        blocking(read)
            .await
            .map_err(|source| self.failed("read", &path, source))
    }

    pub(super) async fn size(&self, name: &str) -> Result<u64, DestinationError> {
        let path = self.path(name);
        match fs::metadata(&path).await {
            Ok(file) => Ok(file.len()),
            Err(source) => Err(self.failed("read", &path, source)),
        }
    }

    pub(super) async fn list(&self) -> Result<Vec<(String, u64)>, DestinationError> {
        let listed = async {
            let mut files = Vec::new();
            let mut entries = fs::read_dir(&self.path).await?;
            while let Some(entry) = entries.next_entry().await? {
                match (entry.metadata().await, entry.file_name().into_string()) {
                    (Ok(file), Ok(name)) if file.is_file() => files.push((name, file.len())),
                    // Gone meanwhile, or nothing that we could have written.
                    _ => {}
                }
            }
            Ok(files)
        };
        listed
            .await
            .map_err(|source| self.failed("list", &self.path, source))
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), DestinationError> {
        let path = self.path(name);
        match fs::remove_file(&path).await {
            Ok(()) => {}
            Err(source) if source.kind() == io::ErrorKind::NotFound && self.path.is_dir() => {
                return Ok(());
            }
            Err(source) => return Err(self.failed("delete", &path, source)),
        }
        self.sync().await
    }

    /// Makes what was renamed or removed last through a power cut.
    async fn sync(&self) -> Result<(), DestinationError> {
        let path = self.path.clone();
        blocking(move || std::fs::File::open(path)?.sync_all())
            .await
            .map_err(|source| self.failed("sync", &self.path, source))
    }

    fn failed(&self, doing: &'static str, path: &Path, source: io::Error) -> DestinationError {
        DestinationError::of_io(doing, &self.path, path, source)
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

#[derive(Debug)]
pub(super) struct Upload {
    directory: Directory,
    file: File,
    path: PathBuf,
    /// Where the bytes are until the file is finished or given up.
    partial: Option<PathBuf>,
}

impl Upload {
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), DestinationError> {
        let written = self.file.write_all(bytes).await;
        written.map_err(|source| self.directory.failed("write", &self.path, source))
    }

    pub(super) async fn finish(mut self) -> Result<(), DestinationError> {
        let finished = async {
            self.file.flush().await?;
            self.file.sync_all().await?;
            if let Some(partial) = &self.partial {
                fs::rename(partial, &self.path).await?;
            }
            Ok(())
        };
        finished
            .await
            .map_err(|source| self.directory.failed("write", &self.path, source))?;
        self.partial = None;
        self.directory.sync().await
    }

    pub(super) async fn abort(mut self) -> Result<(), DestinationError> {
        let Some(partial) = self.partial.take() else {
            return Ok(());
        };
        fs::remove_file(&partial)
            .await
            .map_err(|source| self.directory.failed("delete", &partial, source))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            // The next upload of this name removes what cannot be removed now.
            let _ = std::fs::remove_file(partial);
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}
