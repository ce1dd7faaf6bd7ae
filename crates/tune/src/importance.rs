//! Importance of parameters by functional analysis of variance.

use serde::Serialize;

use crate::numeric::DrawStream;
use crate::space::Coordinates;
use crate::{ParamDistribution, SearchSpace, StudyDirection, TrialView};

#[cfg(test)]
mod tests;
mod tree;

use tree::VarianceTree;

/// Purpose of the draws of the forest.
const PURPOSE: u64 = 8;

/// Number of trees.
const TREES: u64 = 64;

/// Complete trials that shares require: with fewer of them, the trees split on chance.
pub const IMPORTANCE_TRIALS: usize = 10;

/// Importance of one parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParamImportance {
    /// Name of the parameter.
    pub name: String,
    /// Share of the variance of the objective over the whole space that the parameter explains on its own, from 0 to 1.
    /// Interactions make up the rest to 1.
    pub share: f64,
}

/// Importance of each parameter for one objective, the largest first (Hutter, Hoos and Leyton-Brown 2014).
///
/// A random forest predicts the objective; the variance of its predictions over the space is divided among the
/// parameters exactly. All values of a parameter count alike: by their logarithm if the distribution is logarithmic.
/// Inactive parameters have a constant value, and parameters with one value an importance of zero. Empty if fewer than
/// [`IMPORTANCE_TRIALS`] trials are complete or all have the same value.
pub fn param_importances(
    space: &SearchSpace,
    directions: &[StudyDirection],
    history: &[TrialView],
    objective: usize,
    seed: u64,
) -> Vec<ParamImportance> {
    let coordinates = Coordinates::new(space);
    let mut trials: Vec<&TrialView> = history.iter().collect();
    trials.sort_by_key(|trial| trial.number);
    let rows = trials.into_iter().filter_map(|trial| {
        let loss = trial.losses(directions)?.get(objective).copied()?;
        Some((coordinates.of_trial(&trial.params)?, loss))
    });
    let (points, losses): (Vec<Vec<f64>>, Vec<f64>) = rows.unzip();
    if points.len() < IMPORTANCE_TRIALS {
        return Vec::new();
    }
    let choices: Vec<Option<usize>> = coordinates.distributions.iter().map(|d| choice_count(d)).collect();
    let mut shares = vec![0.0; coordinates.width()];
    let mut varied = 0.0;
    for tree in 0..TREES {
        let mut stream = DrawStream::new(seed, PURPOSE, tree);
        let sample: Vec<usize> = points.iter().map(|_| stream.below(points.len())).collect();
        let tree = VarianceTree::grow(&points, &losses, &sample, &choices, &mut stream);
        let variance = tree.variance();
        if variance > 0.0 {
            varied += 1.0;
            for (place, share) in shares.iter_mut().enumerate() {
                *share += tree.marginal_variance(place) / variance;
            }
        }
    }
    if varied == 0.0 {
        return Vec::new();
    }
    let share_of = |name: &String| {
        let place = coordinates.names.iter().position(|known| known == name);
        place.map_or(0.0, |place| (shares[place] / varied).clamp(0.0, 1.0))
    };
    let mut importances: Vec<ParamImportance> = space
        .params()
        .keys()
        .map(|name| ParamImportance { name: name.clone(), share: share_of(name) })
        .collect();
    importances.sort_by(|a, b| b.share.total_cmp(&a.share));
    importances
}

/// Number of choices of a categorical parameter; `None` for a numeric one.
fn choice_count(distribution: &ParamDistribution) -> Option<usize> {
    match distribution {
        ParamDistribution::Categorical { choices } => Some(choices.len()),
        _ => None,
    }
}
