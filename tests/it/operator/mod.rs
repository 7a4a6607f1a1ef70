//! The operator, as the real program, against a real API server.

mod database;
mod faults;
mod life;
mod quiet;
mod rbac;
mod walk;
mod world;
