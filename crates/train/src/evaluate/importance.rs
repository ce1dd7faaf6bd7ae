//! Importance of input columns for any model.

use cupola_prep::{ColumnPlaces, Examples, FittedTarget, Prepared, SplitPart, permutation};
use serde::Serialize;

use super::{loss_of_logits, rows_in_use};
use crate::error::Error;
use crate::objective::TargetObjective;

/// Rows of the valid split that importance is measured on.
const ROWS: usize = 1000;
/// Forward passes of one row in all, beyond which fewer rows are used.
const PASSES: usize = 50_000;
/// Fewest rows that tell something.
const FEWEST: usize = 50;

/// Importance of one column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnImportance {
    /// Name of the column.
    pub column: String,
    /// Increase of the loss when the column's values are exchanged between rows.
    pub increase: f64,
    /// Part of this column in the increases of all columns; 0 for a column without increase.
    pub share: f64,
}

/// Permutation importance (Breiman 2001, section 10): the loss on the valid split when the values of one column are
/// exchanged between rows, less the loss as they are. The most important column comes first. At most 1,000 rows are
/// used. Empty without columns of their own meaning (see `Plan::column_places`), with fewer than 50 rows, or with so
/// many columns that it would take long.
///
/// # Errors
/// Errors of `logits`, and [`Error::Data`] for a file of examples that cannot be read.
pub fn permutation_importance<E: From<Error>>(
    prepared: &Prepared,
    objectives: &[TargetObjective],
    seed: u64,
    logits: &mut dyn FnMut(&Examples) -> Result<Vec<f32>, E>,
) -> Result<Vec<ColumnImportance>, E> {
    let (part, places) = (prepared.part(SplitPart::Valid), prepared.plan.column_places());
    let rows = ROWS.min(part.len()).min(PASSES / places.len().max(1));
    let predicts = |target: &FittedTarget| {
        matches!(
            target,
            FittedTarget::Category { .. } | FittedTarget::Number { .. } | FittedTarget::Forecast { .. }
        )
    };
    // The other kinds predict the inputs themselves.
    if places.is_empty() || rows < FEWEST || !prepared.plan.targets.iter().all(predicts) {
        return Ok(Vec::new());
    }
    let examples = part.gather(&rows_in_use(part, rows)).map_err(Error::from)?;
    let mut loss = |inputs: &Examples| -> Result<f64, E> {
        let found = loss_of_logits(&prepared.plan, objectives, &logits(inputs)?, &examples);
        Ok(found.unwrap_or_default())
    };
    let before = loss(&examples.examples)?;
    let mut found = Vec::with_capacity(places.len());
    for (index, places) in places.into_iter().enumerate() {
        let from = permutation(rows, seed, "importance", index as u64);
        let increase = loss(&exchanged(&examples.examples, &places, &from))? - before;
        found.push(ColumnImportance { column: places.column, increase, share: 0.0 });
    }
    let sum: f64 = found.iter().map(|one| one.increase.max(0.0)).sum();
    if sum > 0.0 && sum.is_finite() {
        for one in &mut found {
            one.share = one.increase.max(0.0) / sum;
        }
    }
    found.sort_by(|a, b| b.increase.total_cmp(&a.increase));
    Ok(found)
}

/// Examples with the values of one column taken from the rows `from`.
fn exchanged(examples: &Examples, places: &ColumnPlaces, from: &[usize]) -> Examples {
    let mut out = examples.clone();
    let (dense, indices) = (examples.layout.dense_width(), examples.layout.index_width());
    for (row, from) in from.iter().enumerate() {
        for place in &places.dense {
            out.dense[row * dense + place] = examples.dense[from * dense + place];
        }
        for place in &places.indices {
            out.indices[row * indices + place] = examples.indices[from * indices + place];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use cupola_prep::{Column, Frame, prepare};

    use super::*;
    use crate::objective::default_objectives;

    #[test]
    fn the_column_that_a_model_uses_is_the_only_important_one() {
        let text = "name='t'\nseed=1\n[data]\nsource='none'\n[model]\nfamily='mlp'\nhidden=[3]\n[split]\nby='random'\nvalid=0.5\ntest=0.1\n[[inputs]]\nname='number'\nkind='number'\n[[inputs]]\nname='word'\nkind='category'\n[[targets]]\nname='y'\nkind='number'";
        let run = cupola_spec::parse("t", text, &[], &|_| Err(String::new())).unwrap();
        let frame = Frame::default()
            .with("number", Column::numbers((0..400).map(|row| f64::from((row * 31) % 97)).collect()))
            .with("word", Column::texts((0..400).map(|row| Some(["a", "b"][row % 2]))))
            .with("y", Column::numbers((0..400).map(|row| f64::from((row * 31) % 97)).collect()));
        let prepared = prepare(&run, &frame, None, None).unwrap();
        let objectives = default_objectives(&prepared.plan);
        // Target and input have one scaling, so the first value is the exact answer.
        let mut exact = |examples: &Examples| -> Result<Vec<f32>, Error> {
            Ok(examples.dense.chunks(examples.layout.dense_width()).map(|row| row[0]).collect())
        };
        let found = permutation_importance(&prepared, &objectives, 1, &mut exact).unwrap();
        assert_eq!(found.iter().map(|one| one.column.as_str()).collect::<Vec<_>>(), ["number", "word"]);
        assert!((found[0].share - 1.0).abs() < 1e-12 && found[0].increase > 1.0, "{found:?}");
        assert!(found[1].increase.abs() < 1e-12, "{found:?}");
        let again = permutation_importance(&prepared, &objectives, 1, &mut exact).unwrap();
        assert_eq!(found, again);
    }
}
