//! Predictions of the training rows by those trees that have not drawn them (Breiman 2001, section 3.1), as scikit-learn's
//! `oob_decision_function_` and `oob_prediction_`.

use cupola_prep::Examples;
use rayon::prelude::*;

use super::grow::{TreeDraws, drawn_rows};
use super::{kind_of, targets_of};
use crate::columns::{check_width, reject_text, rows_of};
use crate::error::Error;
use crate::{TreeEnsemble, TreesTarget};

/// Rows that a thread predicts at once.
const BLOCK_ROWS: usize = 1024;

/// Predictions of training rows by trees that have not seen them.
#[derive(Debug, Clone, PartialEq)]
pub struct OutOfBag {
    /// Indices of the rows that at least one tree of each output has not drawn.
    pub rows: Vec<usize>,
    /// Their logits, or standardised numbers: `[rows, width]`, row-major.
    pub logits: Vec<f32>,
}

/// Averages for each row the trees of a forest that have not drawn it. Draws are functions of the seed, so those of the fit
/// are repeated: `examples`, `targets` and `seed` must be those of the fit.
pub(crate) fn predict(
    forest: &TreeEnsemble,
    examples: &Examples,
    targets: &[TreesTarget<'_>],
    seed: u64,
) -> Result<OutOfBag, Error> {
    reject_text(examples)?;
    check_width(forest.columns(), examples)?;
    let (rows, width, columns) = (examples.rows, forest.outputs().len(), forest.columns().max(1));
    let features = rows_of(examples, 0, rows);
    // All outputs have as many trees.
    let trees = forest.trees().len() / width.max(1);
    let (mut sums, mut counts) = (vec![0.0; rows * width], vec![0_u32; rows * width]);
    let mut first = 0;
    for (target, output) in targets.iter().flat_map(targets_of) {
        let cells = kind_of(target, output).cells();
        for tree in 0..trees {
            let drawn = drawn_rows(rows, &mut TreeDraws::new(seed, [first as u64, tree as u64]));
            let start = first * trees + tree * cells;
            let grown = forest.trees().get(start..start + cells).unwrap_or_default();
            let blocks =
                sums.par_chunks_mut(BLOCK_ROWS * width).zip(counts.par_chunks_mut(BLOCK_ROWS * width));
            let features = features.par_chunks(BLOCK_ROWS * columns).zip(drawn.par_chunks(BLOCK_ROWS));
            blocks.zip(features).for_each(|((sums, counts), (features, drawn))| {
                let unseen = drawn.iter().enumerate().filter(|(_, times)| **times == 0);
                for (row, _) in unseen {
                    for own in grown {
                        let place = row * width + own.output();
                        sums[place] += own.predict(&features[row * columns..(row + 1) * columns]);
                        counts[place] += 1;
                    }
                }
            });
        }
        first += cells;
    }
    let is_predicted = |row: &usize| counts[row * width..(row + 1) * width].iter().all(|count| *count > 0);
    let predicted: Vec<usize> = (0..rows).filter(is_predicted).collect();
    let logits = predicted.iter().flat_map(|row| {
        let (sums, counts) = (&sums, &counts);
        forest.outputs().iter().enumerate().map(move |(at, output)| {
            // The leaves hold their share of a sum over all trees.
            let place = row * width + at;
            let score = output.base + sums[place] * trees as f64 / f64::from(counts[place]);
            #[allow(clippy::cast_possible_truncation, reason = "logits are in single precision")]
            let logit = output.score.logit(score) as f32;
            logit
        })
    });
    let logits = logits.collect();
    Ok(OutOfBag { rows: predicted, logits })
}

#[cfg(test)]
mod tests;
