//! Evaluation: metrics of a network on examples, and their use during training.
//!
//! [`Evaluator`] measures any part of the data. [`Validation`] measures the valid split between two steps, and
//! [`EarlyStopping`] remembers the best result and ends training without progress. [`Baseline`] has the metrics of a
//! trivial model, [`permutation_importance`] the columns that a model relies on.

mod anomalies;
mod baseline;
mod decided;
mod early_stopping;
mod host_loss;
mod importance;
mod metrics;
mod outputs;
mod selection;
mod text;
mod validation;

use burn::tensor::Device;
use cupola_eval::{MetricSet, Metrics, perplexity};
use cupola_nn::{InputBatch, Loss, Network, Objective};
use cupola_prep::{Examples, ExamplesWithTargets, FittedTarget, Plan, SplitExamples, Targets};
use cupola_spec::TargetList;

pub use self::anomalies::AnomalyThreshold;
pub use self::baseline::Baseline;
pub use self::early_stopping::BestCheckpoint;
pub(crate) use self::early_stopping::EarlyStopping;
pub use self::importance::{ColumnImportance, importance_of_examples, permutation_importance};
pub use self::metrics::metrics_from_logits;
use self::metrics::{loss_of_logits, metrics_of_set};
pub use self::outputs::SplitOutputs;
pub use self::selection::{Selection, UndefinedMetric, limit_rows, unreported_metric};
use self::text::add_bits_per_byte;
pub(crate) use self::validation::Validation;
use crate::error::Error;
use crate::objective::{TargetObjective, loss_targets};

/// Number of examples of one evaluation batch.
const CHUNK: usize = 512;
/// Number of examples that are read from a file at once.
const STORED: usize = 8192;
/// Number of windows of a text in one evaluation batch.
const WINDOWS: usize = 32;

/// Logits of all examples, `[rows, width]` in row-major order. `network` must be built for inference.
///
/// # Errors
/// [`cupola_nn::Error::Device`] if the device fails.
pub fn logits(network: &Network, examples: &Examples, device: &Device) -> Result<Vec<f32>, Error> {
    let mut out = Vec::new();
    let rows: Vec<usize> = (0..examples.rows).collect();
    for chunk in rows.chunks(CHUNK) {
        let part = examples.gather(chunk);
        let Examples { rows, dense, indices, .. } =
            if network.trims_padding() { part.trim_padding() } else { part };
        let input = InputBatch::new(rows, dense, indices, device);
        let values = network.forward(&input).try_into_vec_as::<f32>();
        out.extend(values.map_err(|error| failed(&error))?);
    }
    Ok(out)
}

/// Measures networks of a plan on one device.
pub struct Evaluator<'a> {
    /// Plan of the examples.
    pub plan: &'a Plan,
    /// Objectives of the plan's targets, in order.
    pub objectives: Vec<TargetObjective>,
    /// Device of the networks, without autodiff.
    pub device: &'a Device,
}

impl Evaluator<'_> {
    /// Metrics of a set, including `loss`, on `rows` rows of a part: the first rows in memory, where they are in the
    /// order of a hash, and evenly spaced rows of a file, where they are in the order of the source. `network`
    /// must be built for inference.
    ///
    /// # Errors
    /// The errors of [`logits`]; a file that cannot be read.
    pub fn evaluate(
        &self,
        network: &Network,
        part: &SplitExamples,
        rows: usize,
        set: MetricSet,
    ) -> Result<Metrics, Error> {
        if let (FittedTarget::NextToken { .. }, [objective]) =
            (self.plan.targets.first(), self.objectives.as_slice())
        {
            let rows: Vec<usize> = (0..rows.min(part.len())).collect();
            let part = part.gather(&rows)?;
            let mut metrics = next_token(network, objective.criterion.loss, &part, self.device)?;
            if set == MetricSet::All {
                add_bits_per_byte(&mut metrics, self.plan, &part);
            }
            return Ok(metrics);
        }
        let SplitOutputs { logits, examples } = self.outputs(network, part, rows)?;
        Ok(metrics_of_set(self.plan, &self.objectives, &logits, &examples, set))
    }

    /// Logits and targets of the rows that [`Self::evaluate`] takes. Of a language model they would be as wide as its
    /// vocabulary for each token.
    ///
    /// # Errors
    /// The errors of [`logits`]; a file that cannot be read.
    pub fn outputs(
        &self,
        network: &Network,
        part: &SplitExamples,
        rows: usize,
    ) -> Result<SplitOutputs, Error> {
        let rows = rows.min(part.len());
        let mut seen = part.gather(&[])?;
        let simple =
            seen.targets.iter().all(|targets| matches!(targets, Targets::Class(_) | Targets::Number(_)));
        if part.block().is_none() && !simple {
            let examples = part.gather(&(0..rows).collect::<Vec<_>>())?;
            let logits = logits(network, &examples.examples, self.device)?;
            return Ok(SplitOutputs { logits, examples });
        }
        // Only logits and targets are kept; the inputs of the network may be far larger.
        let mut values = Vec::new();
        for rows in rows_in_use(part, rows).chunks(STORED) {
            let chunk = part.gather(rows)?;
            values.extend(logits(network, &chunk.examples, self.device)?);
            seen.append_targets(chunk);
        }
        Ok(SplitOutputs { logits: values, examples: seen })
    }
}

/// Loss and perplexity of a language model. The logits of each chunk stay on the device, because a vocabulary
/// is wide.
fn next_token(
    network: &Network,
    loss: Loss,
    part: &ExamplesWithTargets,
    device: &Device,
) -> Result<Metrics, Error> {
    let objective = Objective::from(loss);
    let (mut sum, mut tokens) = (0.0, 0.0);
    let rows: Vec<usize> = (0..part.examples.rows).collect();
    for chunk in rows.chunks(WINDOWS) {
        let ExamplesWithTargets { examples, targets, .. } = part.gather(chunk);
        let targets = targets.into_first();
        let Targets::Tokens { next, .. } = &targets else { continue };
        tokens += next.len() as f64;
        let input = InputBatch::new(examples.rows, examples.dense, examples.indices, device);
        let expected = loss_targets(loss, targets, &input, device);
        let found = objective.sum(network.forward(&input), expected);
        sum += f64::from(found.try_into_scalar::<f32>().map_err(|error| failed(&error))?);
    }
    let mean = sum / f64::max(tokens, 1.0);
    let mut metrics = Metrics { rows: part.examples.rows, ..Metrics::default() };
    metrics.insert("loss", Ok(mean));
    metrics.insert("perplexity", Ok(perplexity(mean)));
    Ok(metrics)
}

/// Indices of the `rows` rows of a split that are evaluated.
fn rows_in_use(part: &SplitExamples, rows: usize) -> Vec<usize> {
    let in_memory = part.block().is_none();
    let place = |row: usize| if in_memory { row } else { row * part.len() / rows };
    (0..rows).map(place).collect()
}

/// Targets of the `rows` rows of a split that are evaluated.
fn used_targets(part: &SplitExamples, rows: usize) -> Result<TargetList<Targets>, Error> {
    if let SplitExamples::Memory(_, all) = part {
        let rows: Vec<usize> = (0..rows).collect();
        return Ok(all.targets.map(|targets| targets.gather(&rows)));
    }
    let mut seen = part.gather(&[])?;
    for rows in rows_in_use(part, rows).chunks(STORED) {
        seen.append_targets(part.gather(rows)?);
    }
    Ok(seen.targets)
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::Network(cupola_nn::Error::Device { device: "in evaluation".into(), why: error.to_string() })
}
