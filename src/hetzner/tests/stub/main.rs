//! The client against an API that answers what a test wants, on a clock that stands still.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod bodies;
mod ensure;
mod repeating;
mod requests;
mod secrets;
mod server;
mod waiting;
