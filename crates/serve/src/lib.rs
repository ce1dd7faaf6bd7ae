//! Serve: packages over HTTP.
//!
//! A request is admitted by a bounded queue or refused at once; one thread for each model takes
//! what waits, up to a batch, and runs it, with no timer when there is nothing to wait for.

mod answer;
mod ask;
mod audit;
mod batcher;
mod catalog;
mod error;
mod feedback;
mod guard;
mod jwt;
mod keys;
mod listen;
mod oip;
mod openai;
mod openapi;
mod page;
mod predict;
mod queue;
mod record;
mod request;
mod routes;
mod rows;
mod server;
mod state;
mod telemetry;
mod texts;
mod tls;
mod traces;

pub use batcher::Limits;
pub use catalog::{Catalog, Loader};
pub use error::Error;
pub use keys::{Key, KeyFile, Keys, SCOPES, Wanted};
pub use record::{Recorded, Recorder};
pub use rows::{Keeper, NotKept};
pub use server::{Doors, Opened, Server};
pub use state::Settings;
