//! `[train.schedule]`: the learning rate over the steps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Schedule of the learning rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Shape after the warm-up.
    pub kind: ScheduleKind,
    /// Number of steps of linear warm-up from 0.
    pub warmup_steps: usize,
    /// Final learning rate as a share of the peak.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub final_ratio: f64,
    /// Factor of `step` and `plateau`, by which the rate is multiplied.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub factor: f64,
    /// Number of epochs between two changes of `step`.
    #[schemars(range(min = 1))]
    pub step_epochs: usize,
    /// Number of evaluations without improvement before a change of `plateau`.
    #[schemars(range(min = 1))]
    pub patience: usize,
}

/// Shape of the learning rate after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// Constant at the peak.
    Constant,
    /// Half a cosine from the peak to `final_ratio` of it at the last step.
    Cosine,
    /// Linear from the peak to `final_ratio` of it at the last step.
    Linear,
    /// Multiplied by `factor` every `step_epochs` epochs.
    Step,
    /// Half a cosine from 1/25 of the peak up to the peak over 30 % of the steps, then half a cosine down to
    /// `final_ratio` of it (Smith and Topin 2018), as `torch.optim.lr_scheduler.OneCycleLR`. It needs no
    /// warm-up.
    OneCycle,
    /// Four cosine waves from 0 over the peak to 0, each twice as long as the one before (Holzmüller et al. 2024,
    /// C.1). It needs no warm-up, and `final_ratio` does not apply.
    Coslog4,
    /// Multiplied by `factor` if the metric has not improved for `patience` evaluations.
    Plateau,
}

/// Schedule of a quantity other than the learning rate, as a share of its configured value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShareSchedule {
    /// The configured value at all steps.
    #[default]
    Constant,
    /// The configured value for the first half of the steps, then half a cosine down to 0.
    FlatCos,
}

impl ShareSchedule {
    /// Share of the configured value after the part `done` of all steps.
    pub fn share(self, done: f64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::FlatCos => {
                let falling = (2.0 * done - 1.0).clamp(0.0, 1.0);
                0.5 * (1.0 + (std::f64::consts::PI * falling).cos())
            }
        }
    }
}
