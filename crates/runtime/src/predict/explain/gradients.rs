//! Integrated gradients of networks.

use cupola_eval::{PathGradients, integrated_gradients};

use super::explanation::Explanation;
use super::shares::{ScoreEnds, ValueShares};
use super::target::ExplainedOutput;
use super::{ExplainMethod, ExplainedRow};
use crate::error::Error;

/// Most points on a path.
const MOST_STEPS: usize = 256;
/// Values of the points that are evaluated at once, which bounds the memory of the backward pass.
const BATCH_VALUES: usize = 1 << 19;
/// Most points that are evaluated at once.
const BATCH_POINTS: usize = 32;
/// Bytes that a backward pass holds for each value of a point.
const VALUE_BYTES: usize = 64;

const REFERENCE: &str = "scaled numbers 0 (the training mean of standardised ones), one-hot values none, categories the mean of their embeddings, pixels black, tokens padding";

impl ExplainedRow<'_> {
    /// Explanation by integrated gradients of the target's logits.
    pub fn by_gradients(&self, output: &ExplainedOutput) -> Result<Explanation, Error> {
        let network = self.package.explainer.network()?;
        let trimmed = if self.package.explainer.trims_padding() {
            Some(self.example.clone().trim_padding())
        } else {
            None
        };
        let example = trimmed.as_ref().unwrap_or(self.example);
        let point = network.point(&example.dense, &example.indices)?;
        let baseline = network.baseline(&self.groups.dense_reference, &example.indices)?;
        let batch = (BATCH_VALUES / point.len().max(1)).clamp(2, BATCH_POINTS);
        let _pass = self.time.budget.take_each(batch * point.len(), VALUE_BYTES)?;
        let mut evaluations = 0;
        let mut gradients = |points: &[f32]| {
            self.time.check()?;
            evaluations += points.len() / point.len().max(1);
            let found = network.gradient(points, &example.indices, &output.weights)?;
            Ok::<_, Error>(PathGradients { values: found.values, gradients: found.gradients })
        };
        let found = integrated_gradients(&point, &baseline, MOST_STEPS, batch, &mut gradients)?;
        let mut rest = found.attributions.as_slice();
        let dense = take(&mut rest, example.dense.len()).to_vec();
        let widths = network.embedding_widths().iter().take(example.indices.len());
        let indices = widths.map(|width| take(&mut rest, *width).iter().sum()).collect();
        let ends = ScoreEnds { base: found.baseline_value, output: found.value };
        let shares = ValueShares { dense, indices };
        let explained =
            self.explanation(ExplainMethod::IntegratedGradients, output, &ends, &shares, REFERENCE);
        Ok(Explanation { evaluations: Some(evaluations), ..explained })
    }
}

/// Takes the first `count` values.
fn take<'a>(rest: &mut &'a [f64], count: usize) -> &'a [f64] {
    let (first, after) = rest.split_at(count.min(rest.len()));
    *rest = after;
    first
}
