//! Reasons why a request must end.

use std::time::Duration;

/// Memory or time that a request would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// The request needs more memory than any single request may have.
    #[error(
        "the request needs {needed} bytes of memory, and one request may have {allowed}; send fewer or smaller rows"
    )]
    Request {
        /// Bytes that the request has and would have needed next.
        needed: usize,
        /// Bytes that one request may have.
        allowed: usize,
    },
    /// The requests of this caller hold its share of the server's memory.
    #[error(
        "your requests in flight would hold {needed} bytes of memory, and one caller may have {allowed}; try again when some have ended"
    )]
    Caller {
        /// Bytes that the caller's requests hold and would have needed next.
        needed: usize,
        /// Bytes that one caller may have.
        allowed: usize,
    },
    /// The requests of all callers hold the server's memory.
    #[error(
        "all requests in flight would hold {needed} bytes of memory, and the server has {allowed} for them; try again in a second"
    )]
    Server {
        /// Bytes that all requests hold and would have needed next.
        needed: usize,
        /// Bytes for all requests.
        allowed: usize,
    },
    /// The deadline has passed.
    #[error("no response within {timeout:?}; send fewer rows or allow more time")]
    Deadline {
        /// Time that the request had.
        timeout: Duration,
    },
}

impl Exceeded {
    /// `true` if the same request may succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Caller { .. } | Self::Server { .. })
    }
}
