//! Shapley values of the parts of an example from forward passes, for any model.

use cupola_eval::{ShapleyBudget, permutation_shapley};
use cupola_prep::Examples;
use indexmap::IndexMap;

use super::explanation::Explanation;
use super::parts::ExampleParts;
use super::shares::{ScoreEnds, ValueShares};
use super::target::ExplainedOutput;
use super::{ExplainMethod, ExplainedRow, ForwardPasses};
use crate::error::Error;

/// Forward passes of one row, unless its time ends before.
const EVALUATIONS: usize = 4_096;
/// Rows of one forward pass.
const BATCH_ROWS: usize = 64;

const REFERENCE: &str = "scaled numbers 0 (the training mean of standardised ones), one-hot values none, categories unseen, pixels black, tokens padding";

impl ExplainedRow<'_> {
    /// Explanation by permutations of the parts of the example: all subsets of a few parts, pairs of permutations of more.
    /// A text is one part, an image has patches, and a column of a window ranges of lags.
    pub fn by_permutations(
        &self,
        output: &ExplainedOutput,
        forward: &mut ForwardPasses<'_>,
    ) -> Result<Explanation, Error> {
        let parts = ExampleParts::of(self.groups);
        let count = parts.owners.len();
        let budget = ShapleyBudget { evaluations: EVALUATIONS, seed: 0 };
        let mut predict = |masks: &[bool]| {
            let mut found = Vec::with_capacity(masks.len() / count.max(1));
            for chunk in masks.chunks(count.max(1) * BATCH_ROWS) {
                self.time.check()?;
                let examples = self.masked(&parts, chunk);
                let _batch = self.time.budget.take_each(examples.dense.len() + examples.indices.len(), 8)?;
                let logits = forward(examples)?;
                found.extend(logits.chunks(output.weights.len().max(1)).map(|row| output.weighted(row)));
            }
            Ok::<_, Error>(found)
        };
        let found = permutation_shapley(count, budget, &mut || self.time.allows_more(), &mut predict)?;
        let ends = ScoreEnds { base: found.base, output: found.prediction };
        let shares = spread(&parts, &found.values);
        let method = ExplainMethod::PermutationShapley;
        let explained = self.explanation(method, output, &ends, &shares, REFERENCE);
        let errors = found.standard_errors.as_deref().filter(|_| !found.exact);
        let images = self.groups.images.iter().map(|image| self.groups.names[image.group].clone());
        Ok(Explanation {
            patches: images.zip(parts.grids.iter().copied()).collect(),
            // A text is one part, so its tokens have no shares of their own.
            tokens: IndexMap::new(),
            standard_errors: errors.map_or_else(IndexMap::new, |errors| {
                self.column_errors(&parts, errors, output.units[0].abs())
            }),
            evaluations: Some(found.evaluations),
            ..explained
        })
    }

    /// Standard errors of columns: at most the sum of those of their parts, however these depend on each other.
    fn column_errors(&self, parts: &ExampleParts, errors: &[f64], factor: f64) -> IndexMap<String, f64> {
        let mut sums = vec![0.0; self.groups.names.len()];
        parts.owners.iter().zip(errors).for_each(|(owner, error)| sums[*owner] += factor * error);
        self.groups.names.iter().cloned().zip(sums).collect()
    }

    /// The example once for each mask `[rows, parts]`, with the values of the reference where the mask is `false`.
    fn masked(&self, parts: &ExampleParts, masks: &[bool]) -> Examples {
        let count = parts.owners.len().max(1);
        let rows = masks.len() / count;
        let mut out = Examples::zeros(self.example.layout.clone(), rows);
        for (row, mask) in masks.chunks(count).enumerate() {
            let (dense, indices) = (self.example.dense.len(), self.example.indices.len());
            let own = &mut out.dense[row * dense..(row + 1) * dense];
            for (at, value) in own.iter_mut().enumerate() {
                let known = mask[parts.dense[at]];
                *value = if known { self.example.dense[at] } else { self.groups.dense_reference[at] };
            }
            let own = &mut out.indices[row * indices..(row + 1) * indices];
            for (at, value) in own.iter_mut().enumerate() {
                let known = mask[parts.indices[at]];
                *value = if known { self.example.indices[at] } else { self.groups.index_reference[at] };
            }
        }
        out
    }
}

/// Shares of the values of each part, equal ones.
fn spread(parts: &ExampleParts, values: &[f64]) -> ValueShares {
    let each: Vec<f64> =
        values.iter().zip(parts.sizes()).map(|(value, size)| value / size.max(1) as f64).collect();
    let of = |parts: &[usize]| parts.iter().map(|part| each[*part]).collect();
    ValueShares { dense: of(&parts.dense), indices: of(&parts.indices) }
}
