//! `[train.schedule]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Learning rate over the steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The shape after the warm-up.
    pub kind: ScheduleKind,
    /// Steps of linear warm-up from 0.
    pub warmup_steps: usize,
    /// Last learning rate as a share of the peak.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub final_ratio: f64,
    /// For `step` and `plateau`: what the rate is multiplied with.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub factor: f64,
    /// For `step`: epochs between two changes.
    #[schemars(range(min = 1))]
    pub step_epochs: usize,
    /// For `plateau`: evaluations without improvement before a change.
    #[schemars(range(min = 1))]
    pub patience: usize,
}

/// Shape of the learning rate after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// The peak throughout.
    Constant,
    /// Half a cosine from the peak to `final_ratio` of it at the last step.
    Cosine,
    /// A line from the peak to `final_ratio` of it at the last step.
    Linear,
    /// Times `factor` every `step_epochs` epochs.
    Step,
    /// Half a cosine from a 25th of the peak up to it over 30 % of the steps, then half a cosine down
    /// to `final_ratio` of it (Smith and Topin 2018), as `torch.optim.lr_scheduler.OneCycleLR`; it
    /// needs no warm-up.
    OneCycle,
    /// Times `factor` when the metric has not improved for `patience` evaluations.
    Plateau,
}
