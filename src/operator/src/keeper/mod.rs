//! What the operator does about a fleet's servers, from within the cluster that they join.
//!
//! One tick looks, decides and acts. Nothing is remembered that cannot be found again: labels at the provider and nodes
//! in the cluster are all the state that there is. A tick may end at any moment, also by force, and the next one carries
//! on. As long as all is well, it costs a single request to the provider and writes nothing.
//!
//! The control plane's server, which the operator runs on, is somebody else's: it is looked at and left alone.

mod act;
mod clients;
mod decide;
#[cfg(test)]
mod decide_tests;
mod destroy;
mod door;
mod error;
mod kept;
mod memory;
mod options;
mod picture;
mod report;
mod tick;
mod view;
#[cfg(test)]
mod view_tests;

pub use self::decide::{Act, Decision, NodeSeen, ServerSeen, Work, World, decide};
pub use self::error::KeeperError;
pub(crate) use self::error::chain;
pub use self::kept::{Happening, Kept, KeptState, RegionServer, ServerPhase};
pub use self::options::KeeperOptions;
pub use self::tick::Keeper;
