//! `[watch.on]`: reasons to train a challenger.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::gate::Gate;

/// Reasons to train a challenger; one of them is enough. The first model needs none.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WatchTriggers {
    /// Cron expression of five fields, such as `"0 3 * * 1"`: Mondays at three.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// `true` for each new version of the dataset.
    pub new_data: bool,
    /// Drift of the recent rows, or of the newest version, away from the data of the champion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftTrigger>,
    /// Conditions on the champion on recent rows, such as `"test/accuracy" = ">= 0.9"`. A broken one is a reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Gate>,
    /// File to which a webhook appends alerts, one JSON object a line, as Alertmanager sends them. A firing alert is a
    /// reason once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alerts: Option<String>,
    /// Address at which a running watch takes alerts by webhook. A firing alert of the model is a reason once, and ends the
    /// wait for the next look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WatchWebhook>,
}

impl WatchTriggers {
    /// `true` if no reason is named.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Receiver of alerts: from Alertmanager, from a server of Cupola, or any JSON object with a `name`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchWebhook {
    /// Address and port, such as `"127.0.0.1:9099"`.
    pub listen: String,
    /// Token that a sender has to give as `Authorization: Bearer TOKEN`, as `"${NAME}"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Key of the signatures of `kind = "webhook"` receivers of a server, as `"${NAME}"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// Drift that is a reason to train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DriftTrigger {
    /// Population stability index from which a column has drifted.
    #[schemars(range(min = 0.0))]
    pub index: f64,
    /// Share of the columns that have to drift.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
    /// Columns that are measured. Default: all that both versions have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

impl Default for DriftTrigger {
    fn default() -> Self {
        Self { index: 0.2, share: 0.3, columns: Vec::new() }
    }
}
