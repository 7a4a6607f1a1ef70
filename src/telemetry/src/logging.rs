//! Logs: for people on a terminal, one JSON object a line elsewhere. Always to standard error, so that
//! standard output is for results.
//!
//! The level is set with `FLEET_LOG` in the syntax of tracing's `EnvFilter`, for example
//! `FLEET_LOG=info,fleet_soulseek=debug`, and can be changed while the program runs.

use std::io::IsTerminal;

use tracing_subscriber::fmt::{MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Registry};

/// The environment variable that sets the level.
pub const LEVEL_VARIABLE: &str = "FLEET_LOG";
/// Set to anything, it turns colours off. See <https://no-color.org>.
pub const NO_COLOR_VARIABLE: &str = "NO_COLOR";

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// Lines for people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The level is not one.
    #[error("{LEVEL_VARIABLE} is not a log level")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// It is set up already.
    #[error("logging is set up already")]
    Again(#[from] TryInitError),
    /// The program is ending.
    #[error("logging has ended")]
    Ended(#[from] reload::Error),
}

/// Changes the level while the program runs.
#[derive(Debug, Clone)]
pub struct Level(reload::Handle<EnvFilter, Registry>);

impl Level {
    /// Sets the level, in the syntax of `EnvFilter`.
    pub fn set(&self, level: &str) -> Result<(), LoggingError> {
        self.0.reload(EnvFilter::try_new(level)?)?;
        Ok(())
    }
}

/// Sets logging up for the whole program. `default_level` holds where the environment sets none.
pub fn init<W>(format: Format, default_level: &str, writer: W) -> Result<Level, LoggingError>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let wanted = std::env::var(LEVEL_VARIABLE).unwrap_or_else(|_| default_level.to_owned());
    let (filter, handle) = reload::Layer::new(EnvFilter::try_new(wanted)?);
    let terminal = std::io::stderr().is_terminal();
    let json = match format {
        Format::Auto => !terminal,
        Format::Human => false,
        Format::Json => true,
    };
    let colours =
        terminal && std::env::var_os(NO_COLOR_VARIABLE).is_none_or(|value| value.is_empty());
    let registry = tracing_subscriber::registry().with(filter);
    if json {
        registry
            .with(layer().json().flatten_event(true).with_writer(writer))
            .try_init()?;
    } else {
        let human = layer()
            .with_ansi(colours)
            .with_target(false)
            .with_writer(writer);
        registry.with(human).try_init()?;
    }
    Ok(Level(handle))
}
