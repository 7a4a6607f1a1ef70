//! Why a fleet could not be looked at to the end.

use std::time::Duration;

/// Why a fleet could not be looked at to the end. Each is tried again, later and later.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The API server did not do something, or did not answer.
    #[error("cannot {what}")]
    Kubernetes {
        /// What was tried.
        what: String,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
    /// Certificates could not be made.
    #[error("cannot make certificates for the database")]
    Certificates(#[from] rcgen::Error),
}

impl Error {
    pub(super) fn kubernetes(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        |source| Self::Kubernetes {
            what,
            source: Box::new(source),
        }
    }

    /// One word for metrics.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Kubernetes { source, .. } => match &**source {
                kube::Error::Api(status) if status.is_conflict() => "conflict",
                kube::Error::Api(status) if status.is_forbidden() => "forbidden",
                kube::Error::Api(status) if is_refused(status) => "refused",
                kube::Error::Api(status) if status.code == 429 => "throttled",
                kube::Error::Api(_) => "api",
                _ => "unreachable",
            },
            Self::Certificates(_) => "certificates",
        }
    }

    /// What the API server has against what was to be written; nothing where trying again may help.
    pub(crate) fn refusal(&self) -> Option<String> {
        match self {
            Self::Kubernetes { what, source } => match &**source {
                kube::Error::Api(status) if is_refused(status) => {
                    Some(format!("cannot {what}: {}", status.message))
                }
                _ => None,
            },
            Self::Certificates(_) => None,
        }
    }
}

/// Invalid, or forbidden by a rule of the cluster.
fn is_refused(status: &kube::core::Status) -> bool {
    [400, 403, 422].contains(&status.code)
}

/// How long is waited after so many failures in a row: doubling from half a second to five minutes, with jitter.
pub(crate) fn pause(failures: u32) -> Duration {
    const FIRST: Duration = Duration::from_millis(500);
    const LONGEST: Duration = Duration::from_mins(5);
    let pause = FIRST.saturating_mul(1 << failures.min(16)).min(LONGEST);
    pause.mul_f64(0.75 + rand::random::<f64>() / 2.0)
}
