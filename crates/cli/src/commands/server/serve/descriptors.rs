//! Connections that the limit of file descriptors has room for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections without an option.
const DEFAULT: usize = 4_096;
/// Descriptors for everything but the connections of the main port: files, engines, the administrative port, the
/// reserve for health checks.
const RESERVE: usize = 192;
/// Least number of connections.
const LEAST: usize = 16;

/// Connections to accept, and the limit of descriptors that they follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionCap {
    /// Connections at once.
    pub connections: usize,
    /// Limit of descriptors if it is the reason for that number.
    pub lowered_by: Option<usize>,
}

/// Raises the soft limit of descriptors to the hard one, and returns the connections that it has room for.
pub fn connection_cap(wanted: Option<u32>) -> ConnectionCap {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    // `None` is unlimited.
    cap(wanted, limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX))
}

fn cap(wanted: Option<u32>, limit: usize) -> ConnectionCap {
    let wanted = wanted.map_or(DEFAULT, |wanted| wanted as usize);
    // A request may need a file beside its connection.
    let room = (limit.saturating_sub(RESERVE) / 8 * 7).max(LEAST);
    ConnectionCap { connections: wanted.min(room), lowered_by: (wanted > room).then_some(limit) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_files() {
        let of = |wanted, limit| {
            let ConnectionCap { connections, lowered_by } = cap(wanted, limit);
            (connections, lowered_by)
        };
        assert_eq!(of(None, usize::MAX), (4_096, None));
        assert_eq!(of(None, 1_048_576), (4_096, None));
        assert_eq!(of(None, 1_024), (728, Some(1_024)));
        assert_eq!(of(Some(100), 1_024), (100, None));
        assert_eq!(of(Some(1_000_000), 8_192), (7_000, Some(8_192)));
        assert_eq!(of(None, 64), (16, Some(64)));
    }
}
