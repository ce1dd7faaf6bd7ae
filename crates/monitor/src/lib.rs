//! Monitoring of models in production, from plain numbers: how far data and predictions have moved from those of the
//! training, how good the predictions still are, and which of it is worth an alert.
//!
//! Nothing here reads a file, opens a connection or knows a tensor; `serving` feeds it from requests, `operate` from
//! logs and files.

pub mod alert;
mod error;

pub use error::Error;
