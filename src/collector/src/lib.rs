//! The collector of one region: a Soulseek session on one side, the local spool on the other.
//!
//! Between them each search loses its searcher's name (a [pseudonym](fleet_store::Pseudonymizer) takes
//! its place), duplicates are counted and dropped, and the moment of reading becomes a time of day.
//! Nothing waits in memory without a bound: a spool that does not take records makes the session stop
//! reading from the network.

mod canary;
mod clock;
mod collector;
mod duplicates;
mod fleet;
pub mod key;
mod metrics;
mod spec_file;
mod state;

pub use self::canary::CanaryState;
pub use self::collector::{Collector, End};
pub use self::fleet::{Fleet, Options, RunningRegion, StartError, scheme};
pub use self::metrics::Metrics;
pub use self::spec_file::{SpecFileError, add_secrets, read_spec};
pub use self::state::{Phase, State};
