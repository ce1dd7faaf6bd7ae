//! Profile that is sealed with a model.

use cupola_monitor::ReferenceProfile;
use cupola_prep::{Plan, Prepared, SplitPart};
use cupola_registry::sha256_hex;
use cupola_train::SplitOutputs;

use super::columns::MonitoredColumns;
use crate::error::Error;

/// Numbers that are held at once.
const MEMORY: usize = 4 << 20;
/// Pictures that are measured.
const PICTURES: usize = 2000;
/// Predictions that are decoded.
const PREDICTIONS: usize = 10_000;

/// Outputs of a model for a split that training has not seen.
pub(crate) struct PredictedSplit {
    /// Name of the split.
    pub split: &'static str,
    /// Logits `[rows, width]`, a sample of rows.
    logits: Vec<f32>,
    /// Real inputs of these rows, of a model that outputs its inputs.
    dense: Vec<f32>,
}

impl PredictedSplit {
    /// Evenly spaced outputs of a split.
    pub fn of(split: &'static str, plan: &Plan, outputs: &SplitOutputs) -> Self {
        let width = plan.width().max(1);
        let rows = outputs.logits.len() / width;
        let step = rows.div_ceil(PREDICTIONS).max(1);
        let chosen = |values: &[f32], width: usize| -> Vec<f32> {
            values.chunks(width.max(1)).step_by(step).flatten().copied().collect()
        };
        let dense_width = plan.layout().dense_width();
        let dense = &outputs.examples.examples.dense;
        // Rows of windows have examples of their own; only a reconstruction compares with them.
        let compares = dense_width == width && dense.len() == outputs.logits.len();
        Self {
            split,
            logits: chosen(&outputs.logits, width),
            dense: if compares { chosen(dense, dense_width) } else { Vec::new() },
        }
    }
}

/// JSON of the profile of a model: its inputs and targets in a sample of the training rows, and its predictions for
/// `predicted`. `None` if there is neither.
///
/// # Errors
/// Columns that do not fit into a profile.
pub(crate) fn sealed_profile(
    prepared: &Prepared,
    plan: &Plan,
    plan_json: &[u8],
    predicted: Option<&PredictedSplit>,
    private: bool,
) -> Result<Option<Vec<u8>>, Error> {
    let mut columns = MonitoredColumns::of(plan, MEMORY);
    let training = prepared.audit(SplitPart::Train);
    let sample = &training.sample.frame;
    columns.observe_rows(sample);
    columns.observe_pictures(sample, sample.rows().div_ceil(PICTURES));
    if let Some(predicted) = predicted {
        let width = plan.width().max(1);
        for (row, logits) in predicted.logits.chunks(width).enumerate() {
            let dense = predicted.dense.get(row * width..(row + 1) * width).unwrap_or_default();
            columns.observe_prediction(&plan.decode(logits, dense));
        }
    }
    let columns = columns.finish();
    if columns.is_empty() {
        return Ok(None);
    }
    let (rows, split) = (prepared.rows(SplitPart::Train) as u64, predicted.map(|predicted| predicted.split));
    let profile = ReferenceProfile::build(&sha256_hex(plan_json), rows, split, &columns, private);
    Ok(Some(profile?.to_json()))
}
