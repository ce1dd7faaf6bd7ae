//! Exact Shapley values of trees.

use cupola_trees::TreeScore;

use super::explanation::{Explanation, ExplanationScale};
use super::shares::{ScoreEnds, ValueShares};
use super::target::ExplainedOutput;
use super::{ExplainMethod, ExplainedRow};
use crate::error::Error;

/// Reference of the path-dependent game.
const REFERENCE: &str =
    "training rows: a split on an unknown column takes each branch with the share of them that did";

/// Seconds of a step of `TreeSHAP`, measured from 6 to 15 ns in trees of 8 to 60 levels.
const STEP: f64 = 8e-9;

impl ExplainedRow<'_> {
    /// Checks that the explanations of `rows` rows like this one can end in their time. Without it, those of large
    /// forests would end with the deadline, after having used it up.
    ///
    /// # Errors
    /// [`Error::Explain`].
    pub fn check_trees(&self, outputs: &[ExplainedOutput], rows: usize) -> Result<(), Error> {
        // A request that is late already is late, not too large.
        self.time.check()?;
        let Some(left) = self.time.left() else { return Ok(()) };
        let steps = self.package.explainer.shapley_steps()?;
        let of = |output: &ExplainedOutput| -> f64 {
            let each = steps.iter().zip(&output.weights).filter(|(_, weight)| **weight != 0.0);
            each.map(|(steps, _)| steps).sum()
        };
        let seconds = STEP * rows as f64 * outputs.iter().map(of).sum::<f64>();
        if seconds <= left.as_secs_f64() {
            return Ok(());
        }
        let (rows, remedy) = match rows {
            1 => ("one row".to_owned(), ""),
            rows => (format!("{rows} rows"), "fewer rows, "),
        };
        Err(Error::explain(
            "method",
            format!(
                "`tree_shap` takes about {seconds:.1} s for {rows} of this model's trees, but the request has {:.1} s; send {remedy}more time (`x-timeout-ms`, `budget_ms`) or the method `permutation_shapley`",
                left.as_secs_f64()
            ),
        ))
    }

    /// Explanation by `TreeSHAP` of the score that the trees sum to.
    pub fn by_trees(&self, output: &ExplainedOutput) -> Result<Explanation, Error> {
        let (trees, outputs) = self.package.explainer.trees()?;
        let features = trees.features(self.example)?.pop().unwrap_or_default();
        let mut shares = vec![0.0; features.len()];
        let (mut ends, mut scale, mut units) = (ScoreEnds::default(), output.scale, output.units);
        for (plain, weight) in outputs.iter().zip(&output.weights).filter(|(_, weight)| **weight != 0.0) {
            let mut weight = f64::from(*weight);
            match plain.score {
                TreeScore::Number => {}
                TreeScore::LogOdds | TreeScore::LogOddsOfMany | TreeScore::LogOddsOfShare => {
                    scale = ExplanationScale::LogOdds;
                }
                TreeScore::Margin => scale = ExplanationScale::Logit,
                TreeScore::LogOfNumber => scale = ExplanationScale::Log,
                TreeScore::LogOfStandardised { .. } => {
                    (scale, units) = (ExplanationScale::Log, [1.0, 0.0]);
                }
                TreeScore::RootOfNumber => scale = ExplanationScale::Root,
                TreeScore::Probability | TreeScore::ProbabilityOfMany => {
                    scale = ExplanationScale::Probability;
                    // The probability of the first of two classes is the rest of the second's.
                    (units, weight) = if output.negative { ([-1.0, 1.0], 1.0) } else { (units, weight) };
                }
            }
            let mut late = None;
            let mut proceed = || {
                late = self.time.check().err();
                late.is_none()
            };
            let found = plain.trees.shapley(&features, features.len(), &mut proceed);
            if let Some(late) = late {
                return Err(late);
            }
            for (sum, share) in shares.iter_mut().zip(found.unwrap_or_default()) {
                *sum += weight * share;
            }
            ends.base += weight * plain.trees.expected();
            ends.output += weight * plain.trees.score(&features);
        }
        let dense = self.groups.dense.len();
        let shares = ValueShares { indices: shares.split_off(dense.min(shares.len())), dense: shares };
        let explained = ExplainedOutput { scale, units, ..output.clone() };
        Ok(self.explanation(ExplainMethod::TreeShap, &explained, &ends, &shares, REFERENCE))
    }
}
