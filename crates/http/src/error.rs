//! Errors: those that keep a server from listening, and those of single requests.

mod api;
mod format;

use std::net::SocketAddr;
use std::path::PathBuf;

pub(crate) use self::api::ApiError;
pub(crate) use self::format::ErrorFormat;

/// Error that keeps a server from running.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is unavailable.
    #[error(
        "failed to listen on {address}: {source}; choose another --port, or stop the process that uses it"
    )]
    Bind {
        /// The given address.
        address: SocketAddr,
        /// Error of the system.
        source: std::io::Error,
    },
    /// The address of a receiver of alerts is unavailable.
    #[error(
        "failed to listen on {address}: {source}; choose another `watch.on.webhook.listen`, or stop the process that uses it"
    )]
    BindReceiver {
        /// The given address.
        address: SocketAddr,
        /// Error of the system.
        source: std::io::Error,
    },
    /// A certificate or private key.
    #[error("{path}: {why}; check `[tls]`")]
    Tls {
        /// The file.
        path: PathBuf,
        /// Reason.
        why: String,
    },
    /// A server that is not ready, or does not answer.
    #[error("{url}: {why}")]
    Health {
        /// URL as given.
        url: String,
        /// Reason.
        why: String,
    },
    /// An error of the serving layer.
    #[error(transparent)]
    Serving(#[from] cupola_serving::Error),
    /// The system refuses sockets.
    #[error("{0}; check the limits of this process")]
    System(#[from] std::io::Error),
}
