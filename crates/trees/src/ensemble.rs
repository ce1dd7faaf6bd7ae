//! Trees of all outputs of a model as plain data: the format of boosted trees, of forests and of imported models.
//!
//! The score of an output is its base plus the leaves that a row reaches in the trees of the output. [`TreeScore`] says
//! what the score is, from which the logit follows.

mod file;
mod flat_tree;

use cupola_eval::AdditiveTrees;
use cupola_prep::Examples;
use rayon::prelude::*;

pub use self::flat_tree::{FlatNode, FlatTree, SplitRule};
use crate::columns::{check_width, reject_text, rows_of};
use crate::error::Error;
use crate::plain::{PlainOutput, TreeScore};

/// Rows that pass one tree after the other together, so that a tree stays in the cache.
const BLOCK_ROWS: usize = 64;
/// Rows from which on several threads work.
const PARALLEL_ROWS: usize = 256;
/// Distance of probabilities from 0 and 1, so that logits are finite.
const MIN_PROBABILITY: f64 = 1e-6;

/// Trees of all outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct TreeEnsemble {
    columns: usize,
    outputs: Vec<EnsembleOutput>,
    trees: Vec<FlatTree>,
}

/// Base and meaning of the score of one output.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EnsembleOutput {
    /// Score without any tree.
    pub base: f64,
    /// Kind of the score.
    pub score: TreeScore,
}

impl TreeEnsemble {
    /// Ensemble for examples of `columns` columns: real numbers, then indices.
    ///
    /// # Errors
    /// [`Error::File`] without outputs, for a base that is not finite, and for a tree of an output or a column that is
    /// not there.
    pub fn new(columns: usize, outputs: Vec<EnsembleOutput>, trees: Vec<FlatTree>) -> Result<Self, Error> {
        let invalid = |reason: &str| Err(Error::File { reason: reason.to_owned() });
        if outputs.is_empty() || outputs.iter().any(|output| !output.base.is_finite()) {
            return invalid("it has no outputs, or a base score that is not finite");
        }
        if trees.iter().any(|tree| tree.output() >= outputs.len()) {
            return invalid("a tree belongs to no output");
        }
        if trees.iter().any(|tree| tree.columns() > columns) {
            return invalid("a split is on a column that is not there");
        }
        Ok(Self { columns, outputs, trees })
    }

    /// Number of columns of an example.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Base and meaning of the score of each output.
    pub fn outputs(&self) -> &[EnsembleOutput] {
        &self.outputs
    }

    /// All trees, in the order in which their values are added.
    pub fn trees(&self) -> &[FlatTree] {
        &self.trees
    }

    /// Logits, or standardised numbers for a regression: `[rows, outputs]`, row-major.
    ///
    /// # Errors
    /// [`Error::Columns`] if the examples have other columns than those of the fit, [`Error::Block`] for texts.
    #[allow(clippy::cast_possible_truncation)]
    pub fn logits(&self, examples: &Examples) -> Result<Vec<f32>, Error> {
        reject_text(examples)?;
        check_width(self.columns, examples)?;
        let mut scores = vec![0.0; examples.rows * self.outputs.len()];
        let width = self.outputs.len();
        let fill = |(block, scores): (usize, &mut [f64])| {
            let start = block * BLOCK_ROWS;
            let features = rows_of(examples, start, scores.len() / width);
            self.add_scores(&features, scores);
        };
        // A few rows are faster on one thread.
        if examples.rows > PARALLEL_ROWS {
            scores.par_chunks_mut(BLOCK_ROWS * width).enumerate().for_each(fill);
        } else {
            scores.chunks_mut(BLOCK_ROWS * width).enumerate().for_each(fill);
        }
        let outputs = self.outputs.iter().cycle();
        Ok(scores.iter().zip(outputs).map(|(score, output)| output.score.logit(*score) as f32).collect())
    }

    /// Scores of the rows of `features` (`[rows, columns]`) to `scores` (`[rows, outputs]`).
    fn add_scores(&self, features: &[f32], scores: &mut [f64]) {
        let (columns, width) = (self.columns.max(1), self.outputs.len());
        for row in scores.chunks_exact_mut(width) {
            row.iter_mut().zip(&self.outputs).for_each(|(score, output)| *score = output.base);
        }
        for tree in &self.trees {
            let rows = features.chunks_exact(columns);
            for (row, score) in rows.zip(scores.iter_mut().skip(tree.output()).step_by(width)) {
                *score += tree.predict(row);
            }
        }
    }

    /// Plain trees of every output, for explanations.
    ///
    /// # Errors
    /// [`Error::File`] for trees that are too deep.
    pub fn plain_outputs(&self) -> Result<Vec<PlainOutput>, Error> {
        let each = self.outputs.iter().enumerate().map(|(index, output)| {
            let own = self.trees.iter().filter(|tree| tree.output() == index);
            let trees = own
                .map(FlatTree::plain)
                .collect::<Option<_>>()
                .ok_or_else(|| Error::File { reason: "its trees are too deep".to_owned() })?;
            let trees = AdditiveTrees { base: output.base, trees, linear: Vec::new() };
            Ok(PlainOutput { trees, score: output.score })
        });
        each.collect()
    }
}

impl TreeScore {
    /// Logit of a network's output for the same target.
    pub(crate) fn logit(self, score: f64) -> f64 {
        let p = score.clamp(MIN_PROBABILITY, 1.0 - MIN_PROBABILITY);
        match self {
            Self::Number | Self::LogOdds | Self::Margin => score,
            // Natural logarithm of 1 / (1 + e^-score): the softmax of all outputs normalises the probabilities.
            Self::LogOddsOfMany => -(1.0 + (-score.clamp(-30.0, 30.0)).exp()).ln(),
            Self::Probability => (p / (1.0 - p)).ln(),
            Self::ProbabilityOfMany => p.ln(),
            Self::LogOfNumber => score.exp(),
            Self::LogOfStandardised { shift, factor } => (score.exp() - shift) * factor,
            Self::LogOddsOfShare => 1.0 / (1.0 + (-score).exp()),
            Self::RootOfNumber => score * score.abs(),
        }
    }
}

#[cfg(test)]
mod tests;
