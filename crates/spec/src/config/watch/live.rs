//! `[watch.live]`: the metrics of a running server, by which a promoted version is judged.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::seconds;

/// Server whose metrics decide whether a promoted version stays. A bound that is crossed by more than chance returns the
/// alias to the earlier version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchLive {
    /// Address of the server, such as `"http://127.0.0.1:8080"`.
    pub url: String,
    /// Address of its administrative listener, where it has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<String>,
    /// Key with the scopes `predict` and `metrics`, as `"${NAME}"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Requests, or rows of feedback, of each version below which nothing is concluded.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1))]
    pub requests: u64,
    /// Largest increase of the share of requests that the server fails.
    #[serde(default = "hundredth")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub errors: f64,
    /// Largest ratio of the times that 99 % of the requests do not exceed.
    #[serde(default = "double")]
    #[schemars(range(min = 1.0))]
    pub latency: f64,
    /// Largest decrease of the share of right predictions, by feedback.
    #[serde(default = "two_hundredths")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub accuracy: f64,
    /// Largest ratio of the mean absolute errors of predicted numbers, by feedback.
    #[serde(default = "tenth_more")]
    #[schemars(range(min = 1.0))]
    pub mean_error: f64,
    /// `true` if a new firing alert of the promoted version returns the alias too.
    #[serde(default)]
    pub alerts: bool,
    /// Share of the requests for the challenger before it is promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<WatchCanary>,
}

/// Canary of a challenger: the server gives it a share of the requests while the champion answers the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchCanary {
    /// Alias that the canary of the server follows, as in `cupola serve --canary NAME@ALIAS=0.1`.
    pub alias: String,
    /// Time within which both versions have to get `requests` requests, such as `"1h"`. The verdict falls at its end.
    #[serde(default = "hour")]
    pub within: String,
}

impl WatchCanary {
    /// Seconds until the verdict.
    pub fn within_seconds(&self) -> f64 {
        seconds(&self.within)
    }
}

fn hundred() -> u64 {
    100
}

fn hundredth() -> f64 {
    0.01
}

fn double() -> f64 {
    2.0
}

fn two_hundredths() -> f64 {
    0.02
}

fn tenth_more() -> f64 {
    1.1
}

fn hour() -> String {
    "1h".to_owned()
}
