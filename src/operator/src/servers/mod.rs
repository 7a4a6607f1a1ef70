//! The servers of a fleet at Hetzner Cloud, and what stands around them.
//!
//! `Wanted` comes from the spec, `Found` from the API; `plan` compares them and says what has to be done; `execute`
//! does it. Nothing is remembered in between: names and labels in the project are all the state that there is, so a
//! run that was killed is carried on by the next one.

mod around;
mod belongings;
mod change;
mod compare;
mod delete;
mod destroy;
mod execute;
mod firewall;
mod found;
mod groups;
mod keys;
mod make;
mod offers;
mod plan;
pub mod prices;
mod problem;
mod progress;
mod server;
mod setup;
mod step_error;
mod wanted;

pub use self::change::{Change, Item, Kind, ServerStep, Step, Verb};
pub use self::destroy::{Demolition, Remains};
pub use self::execute::{Execution, Outcome};
pub(crate) use self::firewall::same_rules;
pub use self::firewall::{WantedFirewall, firewalls};
pub use self::found::{Found, is_ours};
pub use self::offers::{Catalogue, Offer, Offers, Refused};
pub use self::plan::{CatalogueNeeded, Digests, Plan, Situation, plan};
pub use self::problem::Problem;
pub use self::progress::{Event, Progress, State};
pub use self::setup::{Admit, Base, Entrance, Join, JoinError, Setup, SetupError};
pub use self::step_error::StepError;
pub use self::wanted::{Role, SshKey, Wanted, WantedServer};
