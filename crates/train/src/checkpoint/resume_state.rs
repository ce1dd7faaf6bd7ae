//! State of a run apart from weights and optimiser moments.

use serde::{Deserialize, Serialize};

use crate::evaluate::BestCheckpoint;
use crate::step::LossScale;

/// State that a run resumes from, together with weights and optimiser moments: the states of the trainer's
/// components side by side, in the order in which `state.json` has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResumeState {
    /// Number of completed steps.
    pub step: u64,
    /// Current epoch, from 0.
    pub epoch: u64,
    /// Number of completed batches of the epoch.
    pub batch: u64,
    /// Sum of the losses of this epoch's examples.
    pub loss_sum: f64,
    /// Number of examples of this epoch so far.
    pub seen: u64,
    /// Best evaluation so far by the metric on the valid split.
    pub best: Option<BestCheckpoint>,
    /// Number of evaluations since the best one.
    pub bad_evaluations: u64,
    /// Number of reductions of the learning rate by the plateau schedule.
    pub reductions: u64,
    /// Number of evaluations without improvement since the last reduction.
    pub plateau: u64,
    /// Total duration of all steps in seconds.
    pub seconds: f64,
    /// `true` if the last epoch is done or training has stopped early.
    pub done: bool,
    /// Scale of the loss; `None` unless activations are `fp16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<LossScale>,
    /// Number of examples of a micro-batch, if a lack of memory made it smaller than configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_batch: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"step":7,"epoch":1,"batch":2,"loss_sum":0.5,"seen":32,"best":{"step":5,"epoch":0,"value":0.25},"bad_evaluations":1,"reductions":2,"plateau":3,"seconds":1.5,"done":false}"#;

    #[test]
    fn the_keys_and_their_order_are_those_of_format_2() {
        let state: ResumeState = serde_json::from_str(TEXT).unwrap();
        assert_eq!(serde_json::to_string(&state).unwrap(), TEXT);
        let state = ResumeState { scale: Some(LossScale { factor: 4.0, good: 1 }), ..state };
        let text = serde_json::to_string(&state).unwrap();
        assert!(text.ends_with(r#""done":false,"scale":{"factor":4.0,"good":1}}"#), "{text}");
        assert_eq!(serde_json::from_str::<ResumeState>(&text).unwrap(), state);
        let state = ResumeState { micro_batch: Some(8), ..state };
        let text = serde_json::to_string(&state).unwrap();
        assert!(text.ends_with(r#","micro_batch":8}"#), "{text}");
        assert_eq!(serde_json::from_str::<ResumeState>(&text).unwrap(), state);
    }
}
