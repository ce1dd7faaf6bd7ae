//! Tokio runtime for requests over the network.

use tokio::runtime::Runtime;

use crate::error::Error;

/// Starts a runtime with two worker threads. `label` names the source in errors.
///
/// # Errors
/// [`Error::Engine`] if the threads cannot be started.
pub fn io_runtime(label: &str) -> Result<Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::Engine { path: label.to_owned(), why: error.to_string() })
}
