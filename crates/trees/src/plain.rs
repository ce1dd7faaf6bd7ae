//! Boosted trees and forests as plain trees, for explanations.

use cupola_eval::AdditiveTrees;
use cupola_prep::Examples;
use serde::{Deserialize, Serialize};

use crate::Trees;
use crate::columns::{check_width, rows_of, width_of};
use crate::error::Error;

/// Quantity that the trees of an output sum to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TreeScore {
    /// Standardised number, which is the logit.
    Number,
    /// Log odds of the second of two classes, which are the logit.
    LogOdds,
    /// Log odds of one of several classes against the rest. The logit is the logarithm of its probability.
    LogOddsOfMany,
    /// Logit of one of several classes before their softmax.
    Margin,
    /// Probability of the second of two classes, whose log odds are the logit.
    Probability,
    /// Probability of one of several classes. The logit is its logarithm.
    ProbabilityOfMany,
    /// Logarithm of a number.
    LogOfNumber,
    /// Logarithm of a number; the logit is the standardised number `(number - shift) * factor`.
    LogOfStandardised {
        /// Subtracted from the number.
        shift: f64,
        /// Multiplied with the shifted number.
        factor: f64,
    },
    /// Log odds of a number between 0 and 1.
    LogOddsOfShare,
    /// Root of a number, with its sign.
    RootOfNumber,
}

/// Plain trees of one output. Features are the real values of an example, then its indices.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainOutput {
    /// Trees, whose sum is the score.
    pub trees: AdditiveTrees,
    /// Kind of the score.
    pub score: TreeScore,
}

impl Trees {
    /// Plain trees of every output.
    ///
    /// # Errors
    /// [`Error::File`] if a tree of the file is not a tree, or has splits that this crate does not fit.
    pub fn plain_outputs(&self) -> Result<Vec<PlainOutput>, Error> {
        self.0.plain_outputs()
    }

    /// Features of each example, in the order of the plain trees.
    ///
    /// # Errors
    /// [`Error::Columns`] if the examples have other columns than those of the fit.
    pub fn features(&self, examples: &Examples) -> Result<Vec<Vec<f64>>, Error> {
        check_width(self.0.columns(), examples)?;
        let (values, width) = (rows_of(examples, 0, examples.rows), width_of(examples));
        let row = |row: usize| values[row * width..(row + 1) * width].iter().map(|x| f64::from(*x)).collect();
        Ok((0..examples.rows).map(row).collect())
    }
}
