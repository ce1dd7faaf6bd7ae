//! Activity of a connection: what its time limits look at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Time limits of connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionLimits {
    /// TLS handshake, first request, and each head of HTTP/1 from its first byte.
    pub head: Duration,
    /// Time without a request in flight.
    pub idle: Duration,
    /// Time in which a client takes a part of its response.
    pub write: Duration,
}

/// Activity of one connection. Times are milliseconds since it was accepted.
#[derive(Debug)]
pub(super) struct Activity {
    accepted: Instant,
    in_flight: AtomicUsize,
    /// `true` after the first request.
    requested: AtomicBool,
    /// `true` if the last request was one of HTTP/2.
    http2: AtomicBool,
    /// Time at which the last response ended.
    idle_since: AtomicU64,
    /// Time of the first byte since then, plus one; 0 if there is none.
    heard: AtomicU64,
    /// `true` while the client has not taken all that was written.
    writing: AtomicBool,
    evicted: Notify,
}

impl Activity {
    pub fn new() -> Self {
        Self {
            accepted: Instant::now(),
            in_flight: AtomicUsize::new(0),
            requested: AtomicBool::new(false),
            http2: AtomicBool::new(false),
            idle_since: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            writing: AtomicBool::new(false),
            evicted: Notify::new(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.accepted.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Counts a request until the guard is dropped.
    pub fn begin(self: &Arc<Self>, http2: bool) -> InFlightRequest {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        self.requested.store(true, Ordering::Release);
        self.http2.store(http2, Ordering::Release);
        InFlightRequest(Arc::clone(self))
    }

    /// Notes that the client sent something.
    pub fn hear(&self) {
        if self.heard.load(Ordering::Relaxed) == 0 {
            self.heard.store(self.now() + 1, Ordering::Release);
        }
    }

    /// Notes that the client has taken less than was written, or all of it.
    pub fn write(&self, complete: bool) {
        if self.writing.load(Ordering::Relaxed) == complete {
            self.writing.store(!complete, Ordering::Release);
            if complete {
                self.rest();
            }
        }
    }

    /// Begins the time without a request.
    fn rest(&self) {
        self.idle_since.store(self.now(), Ordering::Release);
        self.heard.store(0, Ordering::Release);
    }

    /// `true` if a request is in flight, or its response not yet taken.
    pub fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) > 0 || self.writing.load(Ordering::Acquire)
    }

    /// Order in which idle connections give way to new ones: those that never sent a request first, then those
    /// that have been idle for longest. `None` if a request is in flight.
    pub fn idle_rank(&self) -> Option<(bool, Instant)> {
        let since = Duration::from_millis(self.idle_since.load(Ordering::Acquire));
        (!self.is_busy()).then(|| (self.requested.load(Ordering::Acquire), self.accepted + since))
    }

    /// Time at which the connection has to be closed; `None` while a request is in flight.
    pub fn deadline(&self, limits: ConnectionLimits) -> Option<Instant> {
        if self.is_busy() {
            return None;
        }
        let since = Duration::from_millis(self.idle_since.load(Ordering::Acquire));
        let heard = self.heard.load(Ordering::Acquire);
        let allowed = if !self.requested.load(Ordering::Acquire) {
            limits.head
        } else if heard == 0 || self.http2.load(Ordering::Acquire) {
            // Frames of HTTP/2 that open no stream, such as pings, are no reason to stay.
            since + limits.idle
        } else {
            Duration::from_millis(heard) + limits.head
        };
        Some(self.accepted + allowed)
    }

    /// Asks the connection to close.
    pub fn evict(&self) {
        self.evicted.notify_one();
    }

    /// Resolves when the connection has to close.
    pub async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

/// RAII guard that counts a request of a connection.
#[derive(Debug)]
pub(super) struct InFlightRequest(Arc<Activity>);

impl Drop for InFlightRequest {
    fn drop(&mut self) {
        let activity = &self.0;
        activity.rest();
        activity.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(75),
        write: Duration::from_secs(30),
    };

    fn seconds_left(activity: &Activity) -> Option<f64> {
        let left = activity.deadline(LIMITS)?.duration_since(Instant::now());
        Some(left.as_secs_f64().round())
    }

    #[test]
    fn silence_slow_heads_and_idle_time_end_a_connection() {
        let activity = Arc::new(Activity::new());
        assert_eq!(seconds_left(&activity), Some(10.0), "no byte");
        activity.hear();
        assert_eq!(seconds_left(&activity), Some(10.0), "half a preface");
        let request = activity.begin(false);
        assert!(activity.is_busy() && activity.deadline(LIMITS).is_none() && activity.idle_rank().is_none());
        activity.write(false);
        drop(request);
        assert!(activity.is_busy(), "the response is not taken yet");
        activity.write(true);
        assert_eq!(seconds_left(&activity), Some(75.0), "between requests");
        activity.hear();
        let first = activity.deadline(LIMITS);
        assert_eq!(seconds_left(&activity), Some(10.0), "a head has begun");
        std::thread::sleep(Duration::from_millis(20));
        activity.hear();
        assert_eq!(activity.deadline(LIMITS), first, "a head byte by byte");
    }

    #[test]
    fn frames_without_a_stream_do_not_keep_http2_open() {
        let activity = Arc::new(Activity::new());
        let (one, two) = (activity.begin(true), activity.begin(true));
        drop(one);
        assert!(activity.is_busy());
        drop(two);
        let idle = activity.deadline(LIMITS);
        activity.hear();
        assert_eq!(activity.deadline(LIMITS), idle);
        assert_eq!(seconds_left(&activity), Some(75.0));
    }
}
