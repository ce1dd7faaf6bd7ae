//! Serve: packages over HTTP.
//!
//! A request is admitted by a bounded queue or refused at once; one thread for each model takes
//! what waits, up to a batch, and runs it, with no timer when there is nothing to wait for.

mod answer;
mod batcher;
mod error;
mod routes;
mod state;
mod telemetry;

pub use batcher::{Batcher, Limits};
pub use error::Error;
pub use state::{Model, Server, Settings};
