//! Where the files of an archive live: a directory, or a bucket of any S3-compatible store.
//!
//! A file is there whole or not at all: an [`Upload`] that ends in any other way than with [`Upload::finish`] leaves
//! nothing under the name, and what was there before stays.

mod bucket;
mod directory;
mod error;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;

use bucket::Bucket;
use directory::Directory;
pub use error::DestinationError;

/// What a bucket needs besides its name.
#[derive(Clone)]
pub struct DestinationSettings {
    /// After how long without success an operation on a bucket fails: an upload counts part by part.
    pub patience: Duration,
    /// The `AWS_` variables: endpoint, region, credentials.
    pub variables: Vec<(String, String)>,
}

impl Default for DestinationSettings {
    /// The environment of this process, and a minute.
    fn default() -> Self {
        let of_aws = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            let name = name.into_string().ok()?;
            name.starts_with("AWS_")
                .then(|| Some((name, value.into_string().ok()?)))?
        };
        Self {
            patience: Duration::from_mins(1),
            variables: std::env::vars_os().filter_map(of_aws).collect(),
        }
    }
}

impl fmt::Debug for DestinationSettings {
    /// Without the values, which are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.variables.iter().map(|(name, _)| name).collect();
        f.debug_struct("DestinationSettings")
            .field("patience", &self.patience)
            .field("variables", &names)
            .finish()
    }
}

/// A directory or a place in a bucket.
#[derive(Clone, Debug)]
pub struct Destination(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Directory(Directory),
    Bucket(Bucket),
}

impl Destination {
    /// Reads `DIR`, `file:///DIR` or `s3://BUCKET/PREFIX`. Nothing is touched yet, and nobody asked.
    pub fn parse(text: &str) -> Result<Self, DestinationError> {
        Self::parse_with(text, &DestinationSettings::default())
    }

    /// The same with settings that are not those of the environment.
    pub fn parse_with(
        text: &str,
        settings: &DestinationSettings,
    ) -> Result<Self, DestinationError> {
        if let Some(rest) = text.strip_prefix("s3://") {
            return Ok(Self(Kind::Bucket(Bucket::parse(rest, settings)?)));
        }
        let directory = if text.starts_with("file:") {
            let path = reqwest::Url::parse(text)
                .ok()
                .and_then(|url| url.to_file_path().ok());
            Directory::new(&path.ok_or(DestinationError::NotADestination)?)
        } else if text.is_empty() || text.contains("://") {
            return Err(DestinationError::NotADestination);
        } else {
            Directory::new(Path::new(text))
        };
        Ok(Self(Kind::Directory(directory)))
    }

    /// The destination and the name of a file from what [`location`](Self::location) once gave.
    pub fn of_location(location: &str) -> Result<(Self, String), DestinationError> {
        Self::of_location_with(location, &DestinationSettings::default())
    }

    /// The same with settings that are not those of the environment.
    pub fn of_location_with(
        location: &str,
        settings: &DestinationSettings,
    ) -> Result<(Self, String), DestinationError> {
        let (place, name) = location
            .rsplit_once('/')
            .ok_or(DestinationError::NotADestination)?;
        checked(name)?;
        let place = if place.is_empty() { "/" } else { place };
        Ok((Self::parse_with(place, settings)?, name.to_owned()))
    }

    /// Where a file of this name is: an absolute path or an `s3://` URL.
    pub fn location(&self, name: &str) -> String {
        match &self.0 {
            Kind::Directory(directory) => directory.path(name).display().to_string(),
            Kind::Bucket(bucket) => bucket.location(name),
        }
    }

    /// Begins a file. It takes the place of one with this name when it is finished.
    pub async fn create(&self, name: &str) -> Result<Upload, DestinationError> {
        let name = checked(name)?;
        Ok(Upload(match &self.0 {
            Kind::Directory(directory) => UploadKind::Directory(directory.create(name).await?),
            Kind::Bucket(bucket) => UploadKind::Bucket(bucket.create(name)?),
        }))
    }

    /// The size of a file and its bytes, piece by piece. Holds one piece, at most 8 MiB.
    pub async fn read(
        &self,
        name: &str,
    ) -> Result<(u64, BoxStream<'static, Result<Bytes, DestinationError>>), DestinationError> {
        let name = checked(name)?;
        match &self.0 {
            Kind::Directory(directory) => directory.read(name).await,
            Kind::Bucket(bucket) => bucket.read(name).await,
        }
    }

    /// Some bytes of a file, all of them in memory. An error if the file has not as many.
    pub async fn read_range(
        &self,
        name: &str,
        range: Range<u64>,
    ) -> Result<Bytes, DestinationError> {
        let name = checked(name)?;
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        match &self.0 {
            Kind::Directory(directory) => directory.read_range(name, range).await,
            Kind::Bucket(bucket) => bucket.read_range(name, range).await,
        }
    }

    /// Whether there is a file of this name.
    pub async fn has(&self, name: &str) -> Result<bool, DestinationError> {
        match self.size(name).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The size of a file in bytes.
    pub async fn size(&self, name: &str) -> Result<u64, DestinationError> {
        let name = checked(name)?;
        match &self.0 {
            Kind::Directory(directory) => directory.size(name).await,
            Kind::Bucket(bucket) => bucket.size(name).await,
        }
    }

    /// All files with their sizes, by name. Among them what ended early in a directory: `.NAME.partial`.
    pub async fn list(&self) -> Result<Vec<(String, u64)>, DestinationError> {
        let mut files = match &self.0 {
            Kind::Directory(directory) => directory.list().await?,
            Kind::Bucket(bucket) => bucket.list().await?,
        };
        files.sort();
        Ok(files)
    }

    /// Removes a file; fine if there is none.
    pub async fn delete(&self, name: &str) -> Result<(), DestinationError> {
        let name = checked(name)?;
        match &self.0 {
            Kind::Directory(directory) => directory.delete(name).await,
            Kind::Bucket(bucket) => bucket.delete(name).await,
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Directory(directory) => directory.fmt(f),
            Kind::Bucket(bucket) => bucket.fmt(f),
        }
    }
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// A file that is being written. Dropped, it is given up: what was written is removed as far as that is possible.
#[derive(Debug)]
pub struct Upload(UploadKind);

#[derive(Debug)]
enum UploadKind {
    Directory(directory::Upload),
    Bucket(bucket::Upload),
}

impl Upload {
    /// Adds bytes at the end. Waits for the disk or the network; at most three parts of 8 MiB are held.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), DestinationError> {
        match &mut self.0 {
            UploadKind::Directory(upload) => upload.write(&bytes).await,
            UploadKind::Bucket(upload) => upload.write(bytes).await,
        }
    }

    /// Puts the file in its place. When this returns, it is safe: in a directory it is on the disk.
    pub async fn finish(self) -> Result<(), DestinationError> {
        match self.0 {
            UploadKind::Directory(upload) => upload.finish().await,
            UploadKind::Bucket(upload) => upload.finish().await,
        }
    }

    /// Gives the file up and waits until what was written is removed.
    pub async fn abort(self) -> Result<(), DestinationError> {
        match self.0 {
            UploadKind::Directory(upload) => upload.abort().await,
            UploadKind::Bucket(upload) => upload.abort().await,
        }
    }
}

/// A name that cannot lead to another place.
fn checked(name: &str) -> Result<&str, DestinationError> {
    let is_name = !name.is_empty()
        && name != "."
        && name != ".."
        && !name.contains(['/', '\\'])
        && !name.contains(char::is_control);
    if is_name {
        Ok(name)
    } else {
        Err(DestinationError::NotAName {
            name: name.to_owned(),
        })
    }
}
