//! The simulated Hetzner API, asked over HTTP. Time is paused: it passes when a test says so.

mod bill;
mod client;
mod faults;
mod firewalls;
mod floating_ips;
mod gate;
mod images;
mod lists;
mod metadata;
mod networks;
mod placement_groups;
mod primary_ips;
mod servers;
mod ssh_keys;
mod volumes;
