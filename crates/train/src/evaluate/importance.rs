//! Importance of input columns for any model.

use std::collections::HashMap;
use std::time::Instant;

use cupola_prep::{
    ColumnPlaces, Examples, ExamplesWithTargets, FittedTarget, Plan, Prepared, SplitPart, Targets,
};
use serde::Serialize;

use super::{loss_of_logits, rows_in_use};
use crate::error::Error;
use crate::objective::TargetObjective;

/// Rows that importance is measured on.
const ROWS: usize = 1000;
/// Forward passes of one row in all, beyond which shuffles and rows are fewer.
const PASSES: usize = 50_000;
/// Fewest rows that tell something.
const FEWEST: usize = 50;
/// Shuffles of each column.
const REPEATS: u8 = 5;
/// Seconds beyond which a slow model gets fewer shuffles.
const SECONDS: f64 = 2.0;
/// Confidence level of the intervals.
const LEVEL: f64 = 0.95;

/// Importance of one column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnImportance {
    /// Name of the column.
    pub column: String,
    /// Mean increase of the loss when the column's values are exchanged between rows.
    pub increase: f64,
    /// 95 % confidence interval of the mean over shuffles; `None` for a single shuffle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// Part of this column in the increases of all columns; 0 for a column without increase.
    pub share: f64,
}

/// [`importance_of_examples`] on the valid split.
///
/// # Errors
/// Errors of `logits`, and [`Error::Data`] for a file of examples that cannot be read.
pub fn permutation_importance<E: From<Error>>(
    prepared: &Prepared,
    objectives: &[TargetObjective],
    seed: u64,
    logits: &mut dyn FnMut(&Examples) -> Result<Vec<f32>, E>,
) -> Result<Vec<ColumnImportance>, E> {
    let part = prepared.part(SplitPart::Valid);
    let targets = part.targets().and_then(|mut targets| targets.next());
    let rows = match targets.and_then(|targets| rows_of_groups(targets, ROWS)) {
        Some(rows) => rows,
        None => rows_in_use(part, ROWS.min(part.len())),
    };
    let examples = part.gather(&rows).map_err(Error::from)?;
    importance_of_examples(&prepared.plan, objectives, &examples, seed, logits)
}

/// Permutation importance (Breiman 2001, section 10): the loss when the values of one column are exchanged between rows,
/// less the loss as they are, over up to five shuffles. The most important column comes first. At most the first 1,000
/// examples are used. Empty without columns of their own meaning (see `Plan::column_places`), with fewer than 50 rows, or
/// with so many columns that it would take long.
///
/// # Errors
/// Errors of `logits`.
pub fn importance_of_examples<E>(
    plan: &Plan,
    objectives: &[TargetObjective],
    examples: &ExamplesWithTargets,
    seed: u64,
    logits: &mut dyn FnMut(&Examples) -> Result<Vec<f32>, E>,
) -> Result<Vec<ColumnImportance>, E> {
    let places = plan.column_places();
    let passes = PASSES / places.len().max(1);
    let repeats = u8::try_from(passes / FEWEST).unwrap_or(REPEATS).clamp(1, REPEATS);
    let rows = ROWS.min(examples.examples.rows).min(passes / usize::from(repeats));
    let predicts = |target: &FittedTarget| {
        matches!(
            target,
            FittedTarget::Category { .. }
                | FittedTarget::Number { .. }
                | FittedTarget::Forecast { .. }
                | FittedTarget::Rank { .. }
        )
    };
    // The other kinds predict the inputs themselves.
    if places.is_empty() || rows < FEWEST || !plan.targets.iter().all(predicts) {
        return Ok(Vec::new());
    }
    let chosen = rows_of_groups(examples.targets.first(), rows).unwrap_or_else(|| (0..rows).collect());
    let examples = examples.gather(&chosen);
    let mut loss = |inputs: &Examples| -> Result<f64, E> {
        let found = loss_of_logits(plan, objectives, &logits(inputs)?, &examples);
        Ok(found.unwrap_or_default())
    };
    let before = loss(&examples.examples)?;
    #[allow(clippy::cast_precision_loss, reason = "a number of columns")]
    let columns = places.len() as f64;
    // The first pass may compile kernels.
    let started = Instant::now();
    loss(&examples.examples)?;
    let repeats = affordable(repeats, started.elapsed().as_secs_f64() * columns);
    // The score of a model is its negative loss.
    let shuffled = |column: usize, order: &[usize]| {
        let changed = exchanged(&examples.examples, &places[column], order);
        loss(&changed).map(|loss| -loss)
    };
    let all = (places.len(), examples.examples.rows);
    let measured = cupola_eval::permutation_importance(all, (repeats, seed), LEVEL, -before, shuffled)?;
    let columns = places.into_iter().zip(measured).map(|(places, found)| ColumnImportance {
        column: places.column,
        increase: found.mean,
        interval: found.interval,
        share: 0.0,
    });
    let mut found: Vec<ColumnImportance> = columns.collect();
    let sum: f64 = found.iter().map(|one| one.increase.max(0.0)).sum();
    if sum > 0.0 && sum.is_finite() {
        for one in &mut found {
            one.share = one.increase.max(0.0) / sum;
        }
    }
    found.sort_by(|a, b| b.increase.total_cmp(&a.increase));
    Ok(found)
}

/// Rows of whole groups of a ranking, the groups with the first rows; at most `most`, but for the rows of a single larger
/// group. `None` for other targets.
fn rows_of_groups(targets: &Targets, most: usize) -> Option<Vec<usize>> {
    let Targets::Relevance { groups, .. } = targets else { return None };
    let (mut places, mut by_group): (HashMap<u64, usize>, Vec<Vec<usize>>) = Default::default();
    for (row, group) in groups.iter().enumerate() {
        let place = *places.entry(*group).or_insert(by_group.len());
        if place == by_group.len() {
            by_group.push(Vec::new());
        }
        by_group[place].push(row);
    }
    let mut rows = Vec::new();
    for group in by_group {
        if !rows.is_empty() && rows.len() + group.len() > most {
            break;
        }
        rows.extend(group);
    }
    Some(rows)
}

/// Shuffles of all columns for which there is time if one takes `seconds`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 1 and the number of shuffles"
)]
fn affordable(repeats: u8, seconds: f64) -> usize {
    ((SECONDS / seconds.max(f64::MIN_POSITIVE)).min(f64::from(repeats)) as usize).max(1)
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
        let [low, high] = found[0].interval.unwrap();
        assert!(1.0 < low && low < found[0].increase && found[0].increase < high, "{found:?}");
        let again = permutation_importance(&prepared, &objectives, 1, &mut exact).unwrap();
        assert_eq!(found, again);
    }

    #[test]
    fn a_slow_model_is_shuffled_once() {
        assert_eq!([0.0, 0.1, 0.7, 9.0].map(|seconds| affordable(5, seconds)), [5, 5, 2, 1]);
    }
}
