//! The servers of a fleet at Hetzner Cloud, and what stands around them.
//!
//! `Wanted` comes from the spec, `Found` from the API; `plan` compares them and says what has to be done; `execute`
//! does it. Nothing is remembered in between: names and labels in the project are all the state that there is, so a
//! run that was killed is carried on by the next one.

mod compare;
mod firewall;
mod found;
mod groups;
mod keys;
mod offers;
mod plan;
mod wanted;
