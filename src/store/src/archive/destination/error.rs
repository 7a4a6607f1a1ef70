//! What can go wrong with a destination, and what a person does then. Keys are in none of it.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use object_store::client::{HttpError, HttpErrorKind};

/// What can go wrong with a destination.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DestinationError {
    /// The text names no place. It is not repeated: it may hold a password.
    #[error("not a directory and not s3://BUCKET/PREFIX")]
    NotADestination,
    /// A name that is a path, for example.
    #[error("{name:?} cannot be the name of a file here")]
    NotAName {
        /// What was given.
        name: String,
    },
    /// The `AWS_` variables do not fit together.
    #[error("the settings for {location} are wrong: {reason}")]
    Settings {
        /// The bucket.
        location: String,
        /// What is wrong, without the values.
        reason: String,
    },
    /// The directory does not exist, or is something else.
    #[error("there is no directory {}", dir.display())]
    NoDirectory {
        /// The directory.
        dir: PathBuf,
    },
    /// The file does not exist.
    #[error("there is no file {location}")]
    NotFound {
        /// Where it should be.
        location: String,
    },
    /// The file has fewer bytes than were asked for.
    #[error("{location} is shorter than it should be")]
    Short {
        /// The file.
        location: String,
    },
    /// The file was overwritten while it was read.
    #[error("{location} was changed while it was read")]
    Changed {
        /// The file.
        location: String,
    },
    /// The user of this process, or of the keys, must not do this.
    #[error("no permission to {doing} {location}")]
    NotAllowed {
        /// What was tried.
        doing: &'static str,
        /// On what.
        location: String,
    },
    /// No room on the file system, or the quota is used up.
    #[error("no room left to write {location}")]
    Full {
        /// The file.
        location: String,
    },
    /// The store does not know the bucket.
    #[error("there is no bucket for {location}")]
    NoBucket {
        /// What was to be used.
        location: String,
    },
    /// The store does not accept the keys, or there are none.
    #[error("the credentials for {location} are not accepted: {reason}")]
    Credentials {
        /// What was to be used.
        location: String,
        /// What the store says: a word, for example `SignatureDoesNotMatch`.
        reason: String,
    },
    /// The store does not answer.
    #[error("failed to reach the store of {location}: {reason}")]
    Unreachable {
        /// What was to be used.
        location: String,
        /// The last failure.
        reason: String,
    },
    /// The store answers something else.
    #[error("failed to {doing} {location}: {reason}")]
    Refused {
        /// What was tried.
        doing: &'static str,
        /// On what.
        location: String,
        /// What the store says, as a status and a word.
        reason: String,
    },
    /// A file operation failed.
    #[error("failed to {doing} {location}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        location: String,
        /// What the system says.
        source: io::Error,
    },
}

impl DestinationError {
    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotADestination => {
                "for example /srv/archive, or s3://research/soulseek with AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY set"
                    .to_owned()
            }
            Self::NoDirectory { dir } => {
                format!("make it (mkdir -p {}), or mount what should be there", dir.display())
            }
            Self::NotFound { .. } => {
                "it was moved or deleted: put it back from where it went".to_owned()
            }
            Self::NotAllowed { location, .. } if is_url(location) => {
                "let the keys read, write, list and delete in this bucket".to_owned()
            }
            Self::NotAllowed { .. } => {
                "check the owner, the permissions and the mount of the directory".to_owned()
            }
            Self::Full { .. } => "free some space there, or archive to another place".to_owned(),
            Self::NoBucket { .. } => "make the bucket, or check AWS_ENDPOINT_URL and its name".to_owned(),
            Self::Credentials { .. } => {
                "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION".to_owned()
            }
            Self::Unreachable { location, .. } => format!(
                "check AWS_ENDPOINT_URL and the network, then try again; http:// needs AWS_ALLOW_HTTP=true ({location})"
            ),
            Self::Settings { .. } => "check the AWS_ variables".to_owned(),
            Self::Io { .. } => "check the disk and the mount".to_owned(),
            Self::Short { .. } | Self::Changed { .. } => "see who else writes there".to_owned(),
            Self::NotAName { .. } | Self::Refused { .. } => return None,
        })
    }

    /// Whether the file is not there, while its place is.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Sorts a failure with `path` in the directory `dir` into the kinds that people treat differently.
    pub(super) fn of_io(doing: &'static str, dir: &Path, path: &Path, source: io::Error) -> Self {
        let location = path.display().to_string();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if !dir.is_dir() => {
                Self::NoDirectory {
                    dir: dir.to_owned(),
                }
            }
            io::ErrorKind::NotFound => Self::NotFound { location },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotAllowed { doing, location }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { location },
            io::ErrorKind::UnexpectedEof => Self::Short { location },
            _ => Self::Io {
                doing,
                location,
                source,
            },
        }
    }

    /// The same for a failure with a bucket. What the store says may repeat keys and signatures: only its code is kept.
    pub(super) fn of_bucket(
        doing: &'static str,
        location: String,
        error: &object_store::Error,
    ) -> Self {
        if let Some(transport) = transport(error) {
            let reason = innermost(transport);
            return match transport.kind() {
                HttpErrorKind::Decode => Self::Refused {
                    doing,
                    location,
                    reason,
                },
                _ => Self::Unreachable { location, reason },
            };
        }
        let text = error.to_string();
        let code = between(&text, "<Code>", "</Code>");
        let status = between(&text, "status code: ", ":");
        match (code, error) {
            (Some("NoSuchBucket"), _) => Self::NoBucket { location },
            // Words of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; the last one is versitygw's.
            (
                Some(
                    code @ ("InvalidAccessKeyId"
                    | "SignatureDoesNotMatch"
                    | "InvalidToken"
                    | "ExpiredToken"
                    | "AuthorizationHeaderMalformed"
                    | "XAdminUserNotFound"),
                ),
                _,
            ) => Self::Credentials {
                location,
                reason: code.to_owned(),
            },
            (Some("InvalidRange"), _) => Self::Short { location },
            (None | Some("NoSuchKey"), object_store::Error::NotFound { .. }) => {
                Self::NotFound { location }
            }
            (_, object_store::Error::Precondition { .. }) => Self::Changed { location },
            (_, object_store::Error::PermissionDenied { .. }) => {
                Self::NotAllowed { doing, location }
            }
            (_, object_store::Error::Unauthenticated { .. }) => Self::Credentials {
                location,
                reason: code.or(status).unwrap_or("401").to_owned(),
            },
            _ if text.contains("redirect without LOCATION") => Self::Refused {
                doing,
                location,
                reason: "the bucket is in another region than AWS_REGION".to_owned(),
            },
            _ => Self::Refused {
                doing,
                location,
                reason: match (status, code) {
                    (Some(status), Some(code)) => format!("{status}, {code}"),
                    (Some(one), None) | (None, Some(one)) => one.to_owned(),
                    (None, None) => "an answer that cannot be read".to_owned(),
                },
            },
        }
    }
}

fn is_url(location: &str) -> bool {
    location.starts_with("s3://")
}

/// The failure of the connection, where that is what has failed.
fn transport(error: &object_store::Error) -> Option<&HttpError> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// What is at the bottom of a failure: "connection refused". What is above it repeats it with the address.
fn innermost(error: &dyn Error) -> String {
    let mut bottom = error;
    while let Some(cause) = bottom.source() {
        bottom = cause;
    }
    bottom.to_string()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}
