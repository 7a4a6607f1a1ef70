//! Archive files in a bucket of an S3-compatible store.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::list::{PaginatedListOptions, PaginatedListStore as _};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, MultipartUpload, ObjectStore as _,
    ObjectStoreExt as _, PutPayload, RetryConfig,
};
use tokio::task::JoinSet;

use super::{DestinationError, DestinationSettings};

/// What goes and comes at once. A store takes 10 000 parts: files of up to 78 GiB.
const PART: usize = 8 << 20;

/// How many parts are on their way at the same time.
const PARTS_AT_ONCE: usize = 2;

#[derive(Clone)]
pub(super) struct Bucket {
    store: Arc<AmazonS3>,
    name: String,
    prefix: Path,
    /// Whether the settings name credentials. Otherwise the cloud that we may run in is asked for some.
    has_credentials: bool,
}

impl Bucket {
    /// From `BUCKET/PREFIX`.
    pub(super) fn parse(
        text: &str,
        settings: &DestinationSettings,
    ) -> Result<Self, DestinationError> {
        let (name, prefix) = text.split_once('/').unwrap_or((text, ""));
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, and what others also allow.
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(DestinationError::NotADestination);
        }
        let prefix = Path::parse(prefix).map_err(|_| DestinationError::NotADestination)?;
        let (store, has_credentials) = connect(name, settings)?;
        Ok(Self {
            store: Arc::new(store),
            name: name.to_owned(),
            prefix,
            has_credentials,
        })
    }

    pub(super) fn location(&self, name: &str) -> String {
        format!("{self}/{name}")
    }

    fn path(&self, name: &str) -> Result<Path, DestinationError> {
        let not_a_name = |_| DestinationError::NotAName {
            name: name.to_owned(),
        };
        if self.prefix.as_ref().is_empty() {
            return Path::parse(name).map_err(not_a_name);
        }
        Path::parse(format!("{}/{name}", self.prefix)).map_err(not_a_name)
    }

    pub(super) fn create(&self, name: &str) -> Result<Upload, DestinationError> {
        Ok(Upload {
            path: self.path(name)?,
            location: self.location(name),
            bucket: self.clone(),
            part: Vec::new(),
            part_bytes: 0,
            multipart: None,
            parts: JoinSet::new(),
        })
    }

    /// One request a piece: each has its own retries, so that a file of any size can be read through a bad network.
    pub(super) async fn read(
        &self,
        name: &str,
    ) -> Result<(u64, BoxStream<'static, Result<Bytes, DestinationError>>), DestinationError> {
        let path = self.path(name)?;
        let found = self.store.head(&path).await;
        let file = self.checked("read", name, found).await?;
        // Pieces of two files would make a third.
        let options = GetOptions::new().with_if_match(file.e_tag);
        let state = (self.clone(), name.to_owned(), 0);
        let pieces = stream::try_unfold(state, move |(bucket, name, from)| {
            let options = options.clone();
            let to = file.size.min(from + PART as u64);
            async move {
                if from == to {
                    return Ok(None);
                }
                let piece = bucket.get(&name, from..to, options).await?;
                Ok(Some((piece, (bucket, name, to))))
            }
        });
        Ok((file.size, pieces.boxed()))
    }

    pub(super) async fn read_range(
        &self,
        name: &str,
        range: Range<u64>,
    ) -> Result<Bytes, DestinationError> {
        self.get(name, range, GetOptions::new()).await
    }

    async fn get(
        &self,
        name: &str,
        range: Range<u64>,
        options: GetOptions,
    ) -> Result<Bytes, DestinationError> {
        let path = self.path(name)?;
        let wanted = range.end - range.start;
        let got = async {
            let options = options.with_range(Some(range));
            self.store.get_opts(&path, options).await?.bytes().await
        };
        let bytes = self.checked("read", name, got.await).await?;
        if bytes.len() as u64 == wanted {
            Ok(bytes)
        } else {
            // A store gives what there is of a range that begins in the file.
            Err(DestinationError::Short {
                location: self.location(name),
            })
        }
    }

    pub(super) async fn size(&self, name: &str) -> Result<u64, DestinationError> {
        let found = self.store.head(&self.path(name)?).await;
        Ok(self.checked("read", name, found).await?.size)
    }

    pub(super) async fn list(&self) -> Result<Vec<(String, u64)>, DestinationError> {
        let listed = self.store.list_with_delimiter(Some(&self.prefix)).await;
        let listed = listed.map_err(|error| self.failed_to_list(&error))?;
        let named = |file: object_store::ObjectMeta| {
            file.location
                .filename()
                .map(|name| (name.to_owned(), file.size))
        };
        Ok(listed.objects.into_iter().filter_map(named).collect())
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), DestinationError> {
        let deleted = self.store.delete(&self.path(name)?).await;
        match self.checked("delete", name, deleted).await {
            // Not all stores say that it is fine.
            Err(DestinationError::NotFound { .. }) => Ok(()),
            other => other,
        }
    }

    /// Explains a failure with a file. Whether it is the file or the bucket that is not there takes a question: an
    /// answer without a body does not say it.
    async fn checked<T>(
        &self,
        doing: &'static str,
        name: &str,
        result: object_store::Result<T>,
    ) -> Result<T, DestinationError> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error) => self.failed(doing, self.location(name), &error),
        };
        if matches!(
            error,
            DestinationError::NotFound { .. } | DestinationError::NotAllowed { .. }
        ) {
            let options = PaginatedListOptions {
                max_keys: Some(1),
                ..Default::default()
            };
            if let Err(error) = self.store.list_paginated(None, options).await {
                match self.failed_to_list(&error) {
                    // Keys may be allowed to read a file and not to list all.
                    DestinationError::NotAllowed { .. } => {}
                    of_bucket => return Err(of_bucket),
                }
            }
        }
        Err(error)
    }

    fn failed_to_list(&self, error: &object_store::Error) -> DestinationError {
        match self.failed("list", self.to_string(), error) {
            DestinationError::NotFound { location } => DestinationError::NoBucket { location },
            other => other,
        }
    }

    fn failed(
        &self,
        doing: &'static str,
        location: String,
        error: &object_store::Error,
    ) -> DestinationError {
        match DestinationError::of_bucket(doing, location, error) {
            // Outside of a cloud nobody answers the question for credentials.
            DestinationError::Unreachable { location, .. } if !self.has_credentials => {
                DestinationError::Credentials {
                    location,
                    reason: "there are none".to_owned(),
                }
            }
            other => other,
        }
    }
}

/// A client for a bucket; nobody is asked yet. And whether the settings name credentials.
fn connect(
    bucket: &str,
    settings: &DestinationSettings,
) -> Result<(AmazonS3, bool), DestinationError> {
    // Fails if there is one, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();

    // An attempt may take half of the patience and begins in the first half of it.
    let half = settings.patience / 2;
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: half / 100,
            max_backoff: half / 6,
            base: 2.,
        },
        max_retries: usize::MAX,
        retry_timeout: half,
    };
    let client = ClientOptions::new()
        .with_timeout(half)
        .with_connect_timeout(half / 3);
    let mut builder = AmazonS3Builder::new().with_client_options(client);
    let mut has_credentials = false;
    for (name, value) in &settings.variables {
        // Names that are for other programs.
        let Ok(key) = name.to_ascii_lowercase().parse() else {
            continue;
        };
        has_credentials |= matches!(
            name.as_str(),
            "AWS_ACCESS_KEY_ID"
                | "AWS_SECRET_ACCESS_KEY"
                | "AWS_WEB_IDENTITY_TOKEN_FILE"
                | "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
                | "AWS_CONTAINER_CREDENTIALS_FULL_URI"
        );
        builder = builder.with_config(key, value);
    }
    let store = builder
        .with_bucket_name(bucket)
        .with_retry(retry)
        // One request a file: not every store knows how to delete many.
        .with_disable_bulk_delete(true)
        .build()
        .map_err(|error| DestinationError::Settings {
            location: format!("s3://{bucket}"),
            reason: error.to_string(),
        })?;
    Ok((store, has_credentials))
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.prefix.as_ref().is_empty() {
            ""
        } else {
            "/"
        };
        write!(f, "s3://{}{slash}{}", self.name, self.prefix)
    }
}

impl fmt::Debug for Bucket {
    /// Without the client, which knows the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bucket").field(&self.to_string()).finish()
    }
}

/// A file on its way. Nothing is sent before there is enough for a part: a small file is one request.
#[derive(Debug)]
pub(super) struct Upload {
    bucket: Bucket,
    path: Path,
    location: String,
    /// The next part as it grows.
    part: Vec<Bytes>,
    part_bytes: usize,
    multipart: Option<Box<dyn MultipartUpload>>,
    parts: JoinSet<object_store::Result<()>>,
}

impl Upload {
    pub(super) async fn write(&mut self, mut bytes: Bytes) -> Result<(), DestinationError> {
        while self.part_bytes + bytes.len() >= PART {
            let rest = bytes.split_off(PART - self.part_bytes);
            self.part.push(bytes);
            bytes = rest;
            let part = self.take_part();
            self.send(part).await?;
        }
        if !bytes.is_empty() {
            self.part_bytes += bytes.len();
            self.part.push(bytes);
        }
        Ok(())
    }

    pub(super) async fn finish(mut self) -> Result<(), DestinationError> {
        let part = self.take_part();
        if self.multipart.is_none() {
            let put = self.bucket.store.put(&self.path, part).await;
            put.map_err(|error| self.failed(&error))?;
            return Ok(());
        }
        if part.content_length() > 0 {
            self.send(part).await?;
        }
        self.wait_for_parts(0).await?;
        // Kept until it is complete: dropped before, it is aborted.
        if let Some(multipart) = &mut self.multipart {
            let completed = multipart.complete().await;
            completed.map_err(|error| self.failed(&error))?;
        }
        self.multipart = None;
        Ok(())
    }

    pub(super) async fn abort(mut self) -> Result<(), DestinationError> {
        let Some(multipart) = self.multipart.take() else {
            return Ok(());
        };
        let aborted = abort(multipart, std::mem::take(&mut self.parts)).await;
        aborted.map_err(|error| self.failed(&error))
    }

    fn take_part(&mut self) -> PutPayload {
        self.part_bytes = 0;
        std::mem::take(&mut self.part).into_iter().collect()
    }

    async fn send(&mut self, part: PutPayload) -> Result<(), DestinationError> {
        self.wait_for_parts(PARTS_AT_ONCE - 1).await?;
        if self.multipart.is_none() {
            let begun = self.bucket.store.put_multipart(&self.path).await;
            self.multipart = Some(begun.map_err(|error| self.failed(&error))?);
        }
        if let Some(multipart) = &mut self.multipart {
            self.parts.spawn(multipart.put_part(part));
        }
        Ok(())
    }

    /// Waits until at most this many parts are on their way.
    async fn wait_for_parts(&mut self, at_most: usize) -> Result<(), DestinationError> {
        while self.parts.len() > at_most
            && let Some(part) = self.parts.join_next().await
        {
            part.map_err(object_store::Error::from)
                .flatten()
                .map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    fn failed(&self, error: &object_store::Error) -> DestinationError {
        let location = self.location.clone();
        match self.bucket.failed("write", location, error) {
            // There is nothing to be found before it is written, except the bucket.
            DestinationError::NotFound { location } => DestinationError::NoBucket { location },
            other => other,
        }
    }
}

impl Drop for Upload {
    /// A store keeps, and charges for, parts that are never completed.
    fn drop(&mut self) {
        if let Some(multipart) = self.multipart.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            // Best effort: a store that is gone stays gone, and can remove old parts by a rule of its own.
            runtime.spawn(abort(multipart, std::mem::take(&mut self.parts)));
        }
    }
}

/// Makes the store forget the parts. Those on their way first have to arrive: it would keep them otherwise.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html>
async fn abort(
    mut multipart: Box<dyn MultipartUpload>,
    mut parts: JoinSet<object_store::Result<()>>,
) -> object_store::Result<()> {
    while parts.join_next().await.is_some() {}
    multipart.abort().await
}
