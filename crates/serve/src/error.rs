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
    /// A package that does not load.
    #[error(transparent)]
    Model(#[from] cupola_runtime::Error),
    /// A canary or shadow of another model.
    #[error("`{other}` is no version of `{name}`; a canary and a shadow are versions of the model itself")]
    Other {
        /// The model.
        name: String,
        /// What is not one of it.
        other: String,
    },
    /// Certificates.
    #[error("{path}: {why}; check `[tls]`")]
    Tls {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file of keys.
    #[error("{path}: {why}")]
    Keys {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong, with the remedy.
        why: String,
    },
    /// The public keys of an identity provider.
    #[error("{from}: {why}; check `[jwt]`")]
    Jwt {
        /// Where they were looked for.
        from: String,
        /// What is wrong.
        why: String,
    },
    /// The collector of traces.
    #[error("{endpoint}: {why}; name a collector as `--otlp http://HOST:4317`")]
    Otlp {
        /// As asked for.
        endpoint: String,
        /// What is wrong.
        why: String,
    },
    /// The system refuses threads or signals.
    #[error("{0}; check the limits of this process")]
    System(#[from] std::io::Error),
}
