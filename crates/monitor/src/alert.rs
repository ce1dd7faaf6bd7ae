//! Alerts: rules over the metrics of a server, states of alerts, silences, and groups that are told together.
//!
//! [`AlertEngine::observe`] takes the metrics of the server once per interval. Each [`AlertRule`] yields findings, one
//! for each model, column or window that it is about. A finding that holds for long enough becomes a firing
//! [`ActiveAlert`], and one that has ended a resolved one. Groups of alerts make [`AlertNotification`]s, which
//! `serving` sends.
//!
//! No function reads a clock. Durations add up the elapsed time that the caller measures, so a wall clock that jumps
//! neither fires nor resolves an alert; only the ends of silences are times of the wall clock.

mod absence;
mod burn;
mod condition;
mod engine;
mod group;
mod history;
mod rule;
mod samples;
mod silence;
mod stamp;
mod state;

pub use self::burn::{BURN_WINDOWS, BurnWindow};
pub use self::condition::EMBEDDING_COLUMN;
pub use self::engine::{AlertEngine, AlertTick, EngineMemory, RuleHealth};
pub use self::group::{AlertNotification, GroupTimings};
pub use self::rule::{AlertCondition, AlertRule, DriftScope, MetricComparison};
pub use self::samples::{MetricSample, MetricSamples};
pub use self::silence::{LabelMatcher, Silence};
pub use self::state::{ActiveAlert, AlertState, fingerprint};

/// Labels of an alert, by name.
pub type AlertLabels = std::collections::BTreeMap<String, String>;
