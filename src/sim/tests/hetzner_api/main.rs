//! The simulated Hetzner API, asked over HTTP. Time is paused: it passes when a test says so.

mod bill;
mod client;
mod faults;
mod gate;
mod lists;
mod servers;
mod ssh_keys;
