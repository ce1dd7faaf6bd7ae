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

impl ExplainedRow<'_> {
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
