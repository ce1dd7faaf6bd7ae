//! Logits of a split with its encoded targets.

use cupola_eval::Metrics;
use cupola_prep::{ExamplesWithTargets, Plan};

use super::metrics_from_logits;
use crate::objective::TargetObjective;

/// Logits of all rows of a split or source, and what they are compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct SplitOutputs {
    /// Logits `[rows, width]`.
    pub logits: Vec<f32>,
    /// Encoded targets. The examples themselves may be left out, so that only the number of rows is known.
    pub examples: ExamplesWithTargets,
}

impl SplitOutputs {
    /// Metrics with the losses of `objectives`.
    pub fn metrics(&self, plan: &Plan, objectives: &[TargetObjective]) -> Metrics {
        metrics_from_logits(plan, objectives, &self.logits, &self.examples)
    }
}
