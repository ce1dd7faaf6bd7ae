//! Trials of a study as events show them.

use cupola_tune::JournalTrialState;
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

/// One trial of a study.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrialRow {
    /// Number in the study, from 0.
    pub number: usize,
    /// State.
    pub state: JournalTrialState,
    /// Values of the keys.
    pub params: IndexMap<String, Value>,
    /// Value of each metric; of a pruned trial the last value.
    pub values: Vec<f64>,
    /// Largest epoch with a value; `None` for trees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<i64>,
    /// Seconds of training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Reason of a failed trial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Id of its run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// State of a study as a trial begins or ends.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialProgress {
    /// The trial.
    pub trial: TrialRow,
    /// Names of the metrics.
    pub metrics: Vec<&'static str>,
    /// Number and first value of the best trial so far.
    pub best: Option<(usize, f64)>,
    /// Trials that are finished.
    pub done: usize,
    /// Trials of the budget.
    pub trials: usize,
}
