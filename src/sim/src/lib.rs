//! Servers that stand in for the real ones, for tests and for people who develop on a laptop. They
//! speak the real protocols, so the official clients work against them unchanged.

pub mod hetzner;
pub mod random;
pub mod soulseek;
