//! Streams without an end, such as a watch: bounded in number for each connection and for the server.

use std::sync::Arc;

use axum::http::Extensions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// Endless streams that one connection may have open.
const PER_CONNECTION: usize = 16;
/// Watches of health that all connections may have open.
const WATCHES: usize = 256;
/// Streams of inference requests that all connections may have open.
const INFERENCE: usize = 1_024;

/// Endless streams of one connection, among the extensions of its requests.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionStreams(Arc<Semaphore>);

impl ConnectionStreams {
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(PER_CONNECTION)))
    }
}

/// Endless streams of the server.
#[derive(Debug, Clone)]
pub(crate) struct StreamLimit {
    server: Arc<Semaphore>,
    most: usize,
}

/// Endless streams of the server, by what they are for: watches need no key, and must not take the places of
/// others.
#[derive(Debug, Clone)]
pub(crate) struct EndlessStreams {
    /// Watches of the server's health.
    pub watches: StreamLimit,
    /// Streams of inference requests.
    pub inference: StreamLimit,
}

impl Default for EndlessStreams {
    fn default() -> Self {
        Self { watches: StreamLimit::new(WATCHES), inference: StreamLimit::new(INFERENCE) }
    }
}

/// RAII guard that counts an open stream.
#[derive(Debug)]
pub(crate) struct StreamPermit {
    _connection: Option<OwnedSemaphorePermit>,
    _server: OwnedSemaphorePermit,
}

impl StreamLimit {
    pub fn new(most: usize) -> Self {
        Self { server: Arc::new(Semaphore::new(most)), most }
    }

    /// Counts a stream of the connection that the extensions belong to.
    ///
    /// # Errors
    /// [`ApiError::too_many_streams`].
    pub fn open(&self, extensions: &Extensions) -> Result<StreamPermit, ApiError> {
        let connection = extensions
            .get::<ConnectionStreams>()
            .map(|ConnectionStreams(streams)| Arc::clone(streams).try_acquire_owned())
            .transpose()
            .map_err(|_| ApiError::too_many_streams(PER_CONNECTION, "connection"))?;
        let server = Arc::clone(&self.server).try_acquire_owned();
        let server = server.map_err(|_| ApiError::too_many_streams(self.most, "server"))?;
        Ok(StreamPermit { _connection: connection, _server: server })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_and_the_server_have_so_many_streams() {
        let limit = StreamLimit::new(PER_CONNECTION + 2);
        let connection = || {
            let mut extensions = Extensions::new();
            extensions.insert(ConnectionStreams::new());
            extensions
        };
        let (one, two) = (connection(), connection());
        let open: Vec<_> = (0..PER_CONNECTION).map(|_| limit.open(&one).unwrap()).collect();
        let error = limit.open(&one).unwrap_err();
        assert!(error.status.as_u16() == 429 && error.message.contains("connection"), "{}", error.message);
        let _others: Vec<_> = (0..2).map(|_| limit.open(&two).unwrap()).collect();
        assert!(limit.open(&two).unwrap_err().message.contains("server"));
        drop(open);
        assert!(limit.open(&one).is_ok());
    }
}
