//! The controller of fleets: five steps, one module each.
//!
//! `dereference` reads everything that a spec refers to and everything that is there; `validate` (in `valid`) and
//! `build` are pure; `apply` writes, and deletes what is no longer wanted; `status` tells how the fleet is.

mod apply;
mod archive_health;
pub(crate) mod build;
mod context;
mod controller;
mod dereference;
mod error;
mod events;
mod finalize;
mod found;
mod names;
mod rates;
mod reconcile;
mod rollout;
mod servers;
mod status;
mod stores;
mod valid;

pub(crate) use self::context::Settings;
pub(crate) use self::controller::{check_definition, client, run};
pub(crate) use self::error::pause;
pub(crate) use self::names::OPERATOR;
pub(crate) use self::stores::Scope;
