//! HTTP and gRPC in front of `cupola-serving`.
//!
//! - `native`: `/v1/models`, `/v1/datasets`, Cupola's own protocol;
//! - `oip`: the Open Inference Protocol (REST and gRPC);
//! - `openai`: embeddings, completions and chats for `OpenAI`'s clients;
//! - `ops`: health, metrics, `OpenAPI`, a page for people.
//!
//! Each protocol parses a request, calls [`cupola_serving::Pipeline`] and formats the response or the `ApiError`,
//! which is the one place where errors get status codes. `routes` puts the protocols together; every route is
//! registered with the access that it requires, and `middleware` checks it. [`Server`] owns the listeners; an
//! [`AlertReceiver`] takes alerts by webhook on a listener of its own.

mod error;
#[cfg(test)]
mod limits;
mod middleware;
mod native;
mod oip;
mod openai;
mod ops;
mod request;
mod routes;
mod server;
mod state;

pub use error::Error;
pub use ops::check_ready;
pub use server::{
    AlertReceiver, AlertSink, BoundAddresses, ListenConfig, ReceivedAlert, SenderProof, Server,
    ServerSettings,
};
