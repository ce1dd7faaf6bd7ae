//! Trained weights on a device, as evaluation and publication take them.

use cupola_eval::Metrics;
use cupola_prep::{Examples, Plan, SplitPart};
use cupola_train::SplitOutputs;

use crate::error::Error;

/// Trained weights on a device.
pub(crate) trait FinalModel {
    /// Metrics on a split, decoded by this plan.
    fn score(&mut self, part: SplitPart, plan: &Plan) -> Result<Metrics, Error>;

    /// Logits and targets of a split; `None` for a language model.
    fn outputs(&mut self, part: SplitPart) -> Result<Option<SplitOutputs>, Error>;

    /// Logits `[rows, width]`.
    fn logits(&mut self, examples: &Examples) -> Result<Vec<f32>, Error>;
}
