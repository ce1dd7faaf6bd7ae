//! Shapley values of columns from forward passes, for any model.

use cupola_eval::{ShapleyBudget, permutation_shapley};
use cupola_prep::Examples;
use indexmap::IndexMap;

use super::explanation::Explanation;
use super::target::ExplainedOutput;
use super::{ExplainMethod, ExplainedRow, ForwardPasses};
use crate::error::Error;

/// Forward passes of one row, unless its time ends before.
const EVALUATIONS: usize = 4_096;
/// Rows of one forward pass.
const BATCH_ROWS: usize = 64;

const REFERENCE: &str = "scaled numbers 0 (the training mean of standardised ones), one-hot values none, categories unseen, pixels black, tokens padding";

impl ExplainedRow<'_> {
    /// Explanation by permutations of the columns: all subsets of a few columns, pairs of permutations of more. A text
    /// and an image are one column each.
    pub fn by_permutations(
        &self,
        output: &ExplainedOutput,
        forward: &mut ForwardPasses<'_>,
    ) -> Result<Explanation, Error> {
        let columns = self.groups.names.len();
        let budget = ShapleyBudget { evaluations: EVALUATIONS, seed: 0 };
        let mut predict = |masks: &[bool]| {
            let mut found = Vec::with_capacity(masks.len() / columns.max(1));
            for part in masks.chunks(columns.max(1) * BATCH_ROWS) {
                self.time.check()?;
                let examples = self.masked(part);
                let _batch = self.time.budget.take_each(examples.dense.len() + examples.indices.len(), 8)?;
                let logits = forward(examples)?;
                found.extend(logits.chunks(output.weights.len().max(1)).map(|row| output.weighted(row)));
            }
            Ok::<_, Error>(found)
        };
        let found = permutation_shapley(columns, budget, &mut || self.time.allows_more(), &mut predict)?;
        let factor = output.units[0];
        let named = |values: &[f64], factor: f64| -> IndexMap<String, f64> {
            self.groups.names.iter().cloned().zip(values.iter().map(|value| factor * value)).collect()
        };
        let errors = found.standard_errors.as_deref().filter(|_| !found.exact);
        let sum: f64 = found.values.iter().sum();
        Ok(Explanation {
            method: ExplainMethod::PermutationShapley,
            scale: output.scale,
            class: output.class.clone(),
            base: output.in_units(found.base),
            output: output.in_units(found.prediction),
            values: named(&found.values, factor),
            heat_maps: IndexMap::new(),
            tokens: IndexMap::new(),
            completeness_error: (factor * (found.prediction - found.base - sum)).abs(),
            standard_errors: errors.map_or_else(IndexMap::new, |errors| named(errors, factor.abs())),
            evaluations: Some(found.evaluations),
            reference: REFERENCE,
        })
    }

    /// The example once for each mask `[rows, columns]`, with the values of the reference where the mask is `false`.
    fn masked(&self, masks: &[bool]) -> Examples {
        let columns = self.groups.names.len().max(1);
        let rows = masks.len() / columns;
        let mut out = Examples::zeros(self.example.layout.clone(), rows);
        for (row, mask) in masks.chunks(columns).enumerate() {
            let (dense, indices) = (self.example.dense.len(), self.example.indices.len());
            let own = &mut out.dense[row * dense..(row + 1) * dense];
            for (at, value) in own.iter_mut().enumerate() {
                let known = mask[self.groups.dense[at]];
                *value = if known { self.example.dense[at] } else { self.groups.dense_reference[at] };
            }
            let own = &mut out.indices[row * indices..(row + 1) * indices];
            for (at, value) in own.iter_mut().enumerate() {
                let known = mask[self.groups.indices[at]];
                *value = if known { self.example.indices[at] } else { self.groups.index_reference[at] };
            }
        }
        out
    }
}
