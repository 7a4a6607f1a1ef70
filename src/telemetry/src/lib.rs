//! What every program of the fleet has: structured logs, Prometheus metrics, `/healthz` and `/readyz`,
//! an orderly end, and memory that is given back.

pub mod admin;
pub mod allocator;
pub mod logging;
mod process;
pub mod readiness;
pub mod shutdown;

pub use self::process::register as register_process_metrics;
