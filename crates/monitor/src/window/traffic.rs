//! Requests of a window.

use serde::{Deserialize, Serialize};

use super::durations::DurationHistogram;

/// Requests by outcome, and how long they took.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WindowTraffic {
    /// Requests.
    pub requests: u64,
    /// Requests that were refused for the client's mistake: status 400 to 499.
    pub client_errors: u64,
    /// Requests that the server failed: status 500 and above.
    pub server_errors: u64,
    /// Durations of all requests.
    pub durations: DurationHistogram,
    /// Requests whose rows were not observed, since they came faster than they could be.
    pub skipped: u64,
}

impl WindowTraffic {
    /// Adds a request with its status code of HTTP and its duration in seconds.
    pub fn add(&mut self, status: u16, seconds: f64) {
        self.requests += 1;
        self.client_errors += u64::from((400..500).contains(&status));
        self.server_errors += u64::from(status >= 500);
        self.durations.add(seconds);
    }

    /// Adds the requests of another window.
    pub fn merge(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.client_errors = self.client_errors.saturating_add(other.client_errors);
        self.server_errors = self.server_errors.saturating_add(other.server_errors);
        self.skipped = self.skipped.saturating_add(other.skipped);
        self.durations.merge(&other.durations);
    }

    /// `true` without requests.
    pub fn is_empty(&self) -> bool {
        self.requests == 0 && self.skipped == 0
    }

    /// Share of the successful requests whose rows were observed; `None` without any.
    pub fn observed_share(&self) -> Option<f64> {
        let successful = self.requests.saturating_sub(self.client_errors + self.server_errors);
        (successful > 0).then(|| 1.0 - (self.skipped.min(successful)) as f64 / successful as f64)
    }
}
