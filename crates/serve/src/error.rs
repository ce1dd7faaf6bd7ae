//! What can keep the server from starting.

use std::net::SocketAddr;

/// The server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}; choose another --port, or stop what listens there")]
    Bind {
        /// As asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Two packages of one name.
    #[error("model `{name}` is given twice; serve each name once")]
    Twice {
        /// The name.
        name: String,
    },
    /// The system refuses threads or signals.
    #[error("{0}; check the limits of this process")]
    System(#[from] std::io::Error),
}
