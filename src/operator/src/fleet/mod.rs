//! The controller of fleets: five steps, one module each.
//!
//! `dereference` reads everything that a spec refers to and everything that is there; `validate` (in `valid`) and
//! `build` are pure; `apply` writes, and deletes what is no longer wanted; `status` tells how the fleet is.

pub mod apply;
pub mod build;
pub mod error;
mod found;
pub mod names;
pub mod rollout;
mod stores;
pub mod valid;

pub use self::found::{Found, JobState};
pub use self::stores::{Scope, Stores};
