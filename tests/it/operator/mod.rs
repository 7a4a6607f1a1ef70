//! The operator, as the real program, against a real API server.

mod faults;
mod life;
mod world;
