//! Trials as samplers see them.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Values of the active parameters by name, in Optuna's internal representation: a number as itself, a category as the
/// index of its choice.
pub type ParamValues = IndexMap<String, f64>;

/// Direction in which an objective improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StudyDirection {
    /// Smaller values are better.
    Minimize,
    /// Larger values are better.
    Maximize,
}

impl StudyDirection {
    /// Value as a loss, of which smaller is better.
    pub fn loss(self, value: f64) -> f64 {
        match self {
            Self::Minimize => value,
            Self::Maximize => -value,
        }
    }
}

/// State of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrialState {
    /// A worker evaluates it, or its parameters are queued.
    Running,
    /// Evaluated, with one value per objective.
    Complete,
    /// Stopped early, with the values reported until then.
    Pruned,
    /// Ended with an error.
    Failed,
}

/// One trial of a study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialView {
    /// Position in the study, from zero.
    pub number: u64,
    /// State.
    pub state: TrialState,
    /// Parameters that were active.
    pub params: ParamValues,
    /// Value of each objective; empty unless the trial is complete.
    #[serde(default)]
    pub values: Vec<f64>,
    /// Values of the first objective by step, in ascending order of the steps.
    #[serde(default)]
    pub intermediate: Vec<(u64, f64)>,
}

impl TrialView {
    /// Losses of a complete trial, one per direction and smaller is better. `None` for other states, and for a trial
    /// with a NaN or infinite value or a wrong number of values, which counts as failed.
    pub fn losses(&self, directions: &[StudyDirection]) -> Option<Vec<f64>> {
        let finite = self.values.iter().all(|value| value.is_finite());
        if self.state != TrialState::Complete || !finite || self.values.len() != directions.len() {
            return None;
        }
        Some(self.values.iter().zip(directions).map(|(value, direction)| direction.loss(*value)).collect())
    }

    /// Loss of a complete trial with one objective; `None` as for [`Self::losses`].
    pub fn loss(&self, direction: StudyDirection) -> Option<f64> {
        self.losses(&[direction])?.first().copied()
    }
}
