//! What the tests in `it/` stand on: real Soulseek clients, real databases, a real bucket, a real control plane
//! of Kubernetes, a real browser, and our own executables as separate processes.

pub mod bins;
pub mod certificates;
pub mod chromium;
pub mod control_plane;
pub mod debian;
pub mod fleet;
pub mod hcloud;
pub mod kube;
pub mod kubelet;
pub mod machine;
pub mod peer;
pub mod pgbouncer;
pub mod ports;
pub mod postgres;
pub mod protocol;
pub mod proxy;
pub mod region;
pub mod s3;
mod service;
pub mod sshd;
pub mod study;
mod target;
pub mod terraform;
mod unprivileged;
pub mod venv;
pub mod wire;
