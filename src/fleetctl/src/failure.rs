//! What went wrong, as people see it: `error:`, `hint:`, and an exit code.

use std::process::ExitCode;

use fleet_api::names::{HCLOUD_ENDPOINT, HCLOUD_TOKEN};
use fleet_api::{ManifestError, SecretError};
use fleet_collector::{SpecFileError, StartError};
use fleet_operator::cluster::ClusterError;
use fleet_operator::servers::SetupError;
use fleet_store::postgres::PostgresError;
use fleet_store::report::LoadError;
use fleet_store::{ArchiveError, KeyError, StoreError};
use fleet_telemetry::admin::AdminError;
use fleet_telemetry::logging::LoggingError;
use owo_colors::OwoColorize;

use crate::printer;

const UNEXPECTED: u8 = 1;
/// `EX_USAGE` of sysexits.h: 2 is what `plan` says of changes.
const COMMAND_LINE: u8 = 64;
const BAD_FILE: u8 = 3;
const REFUSED: u8 = 4;
const STORE: u8 = 5;
const ARCHIVE: u8 = 6;
const CLOUD: u8 = 7;
const INTERRUPTED: u8 = 130;

/// An error on its way to a person.
#[derive(Debug)]
pub(crate) struct Failure {
    error: anyhow::Error,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// The file, or something that it names, is wrong.
    pub(crate) fn bad_file(error: impl Into<anyhow::Error>, hint: String) -> Self {
        Self {
            error: error.into(),
            hint: Some(hint),
            code: BAD_FILE,
        }
    }

    /// The options do not go together.
    pub(crate) fn wrong_command_line(error: impl Into<anyhow::Error>, hint: &str) -> Self {
        Self {
            error: error.into(),
            hint: Some(hint.to_owned()),
            code: COMMAND_LINE,
        }
    }

    /// The network does not want us.
    pub(crate) fn refused(error: impl Into<anyhow::Error>, hint: &str) -> Self {
        Self {
            error: error.into(),
            hint: Some(hint.to_owned()),
            code: REFUSED,
        }
    }

    /// An archive is not what it should be.
    pub(crate) fn archive(error: impl Into<anyhow::Error>, hint: &str) -> Self {
        Self {
            error: error.into(),
            hint: Some(hint.to_owned()),
            code: ARCHIVE,
        }
    }

    /// The provider cannot give, or does not do, what is wanted.
    pub(crate) fn cloud(error: impl Into<anyhow::Error>, hint: &str) -> Self {
        Self {
            error: error.into(),
            hint: Some(hint.to_owned()),
            code: CLOUD,
        }
    }

    /// Somebody wanted it to end.
    pub(crate) fn interrupted(hint: &str) -> Self {
        Self {
            error: anyhow::anyhow!("interrupted"),
            hint: Some(hint.to_owned()),
            code: INTERRUPTED,
        }
    }

    /// Anything else, with what to do about it.
    pub(crate) fn with_hint(error: impl Into<anyhow::Error>, hint: &str) -> Self {
        Self {
            error: error.into(),
            hint: Some(hint.to_owned()),
            code: UNEXPECTED,
        }
    }

    pub(crate) fn print(&self) {
        printer::note(&format!("{} {:#}", "error:".red().bold(), self.error));
        if let Some(hint) = &self.hint {
            printer::note(&format!("{} {hint}", "hint:".cyan().bold()));
        }
    }

    pub(crate) fn text(&self) -> String {
        format!("{:#}", self.error)
    }

    pub(crate) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

/// What clap says, with its own exit code only where nothing is wrong (`--help`).
pub(crate) fn of_command_line(error: &clap::Error) -> ExitCode {
    // Nobody is there to read it, then.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { COMMAND_LINE } else { 0 })
}

impl From<fleet_hetzner::Error> for Failure {
    fn from(error: fleet_hetzner::Error) -> Self {
        let code = if error.is_unauthorized() || error.is_forbidden() {
            REFUSED
        } else {
            CLOUD
        };
        let mut hint = error.hint();
        if error.is_unauthorized() {
            hint = Some(format!(
                "is the token in {HCLOUD_TOKEN}, or in the Secret of tokenSecretRef, the project's? make a new one in \
                 the console (project, Security, API tokens) with read and write access"
            ));
        }
        if let (fleet_hetzner::Error::Transport { .. }, Ok(endpoint)) =
            (&error, std::env::var(HCLOUD_ENDPOINT))
        {
            hint = hint.map(|hint| format!("{hint}; {HCLOUD_ENDPOINT} is {endpoint}"));
        }
        Self {
            hint,
            error: error.into(),
            code,
        }
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        Self {
            hint: error.hint(),
            error: error.into(),
            code: CLOUD,
        }
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        Self::with_hint(
            error,
            "the names and labels of the spec go into what a server is told; correct them",
        )
    }
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        let hint = error.hint();
        Self::bad_file(error, hint)
    }
}

impl From<SpecFileError> for Failure {
    fn from(error: SpecFileError) -> Self {
        let hint = error.hint();
        Self::bad_file(error, hint)
    }
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        let hint = error.hint();
        Self::bad_file(error, hint)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self {
            hint: error.hint(),
            error: error.into(),
            code: BAD_FILE,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let (code, hint) = match &error {
            StoreError::Query(_) => (
                STORE,
                "the tables are `searches` and `events`; \"SELECT * FROM searches LIMIT 1\" shows the columns",
            ),
            StoreError::Write(_) | StoreError::Parquet(_) => (
                UNEXPECTED,
                "make room where the output goes, or name another file with --output",
            ),
            _ => (
                STORE,
                "start again; if it comes back, look at the logs of the collector",
            ),
        };
        Self {
            hint: Some(error.hint().unwrap_or_else(|| hint.to_owned())),
            error: error.into(),
            code,
        }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Archive(error) => error.into(),
            LoadError::Day(error) => Self {
                hint: error.hint(),
                error: error.into(),
                code: STORE,
            },
        }
    }
}

impl From<PostgresError> for Failure {
    fn from(error: PostgresError) -> Self {
        let code = match &error {
            PostgresError::NotAUrl => BAD_FILE,
            _ => STORE,
        };
        Self {
            hint: error.hint(),
            error: error.into(),
            code,
        }
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        let code = match error {
            ArchiveError::Store(error) => return error.into(),
            ArchiveError::Postgres(error) => return error.into(),
            ref error if error.is_about_the_file() => ARCHIVE,
            ArchiveError::Destination(_)
            | ArchiveError::LockLost { .. }
            | ArchiveError::Taken { .. }
            | ArchiveError::Format(_)
            | ArchiveError::Busy { .. }
            | ArchiveError::Differs { .. }
            | ArchiveError::Unreadable(_)
            | ArchiveError::Stopped => STORE,
            _ => UNEXPECTED,
        };
        Self {
            hint: error.hint(),
            error: error.into(),
            code,
        }
    }
}

impl From<LoggingError> for Failure {
    fn from(error: LoggingError) -> Self {
        Self::with_hint(
            error,
            "write a level, or one for each part: FLEET_LOG=info,fleet_soulseek=debug",
        )
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        Self::with_hint(
            error,
            "choose another address for --listen; port 0 takes a free one",
        )
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let code = match &error {
            StartError::Secret(_)
            | StartError::Key(_)
            | StartError::Database(_)
            | StartError::NoRegion(_) => BAD_FILE,
            StartError::Store(_) | StartError::KeyFile { .. } => STORE,
            StartError::Listen(_) => UNEXPECTED,
        };
        Self {
            hint: error.hint(),
            error: error.into(),
            code,
        }
    }
}

macro_rules! unexpected {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self { error: error.into(), hint: None, code: UNEXPECTED }
            }
        }
    )*};
}

unexpected! {
    std::io::Error,
    anyhow::Error,
}
