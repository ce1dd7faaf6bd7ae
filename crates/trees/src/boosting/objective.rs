//! Losses of boosting: their best constant, gradients and Hessians by the score.

use rayon::prelude::*;

use super::ranking::{PairWeight, RowGroups};

/// Smallest Hessian of a row.
const LEAST_HESSIAN: f32 = 1e-16;
/// Largest distance of an initial score from 0.
const MOST_LOG_ODDS: f64 = 12.0;
/// Rows that one thread takes.
const CHUNK_ROWS: usize = 1 << 13;

/// Loss of one target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BoostObjective {
    /// Squared error of a number.
    Squared,
    /// Absolute error of a number, which learns the median.
    Absolute,
    /// Squared error up to a distance, absolute error beyond it (Huber 1964).
    Huber {
        /// Distance in units of the targets.
        delta: f64,
    },
    /// Pinball loss of a quantile (Koenker and Bassett 1978).
    Quantile {
        /// Level between 0 and 1.
        level: f64,
    },
    /// Poisson deviance of a count of at least 0; the score is the logarithm of its mean. The target is standardised:
    /// the count is `target / factor + shift`.
    Poisson {
        /// Subtracted from the count.
        shift: f64,
        /// Multiplied with the shifted count.
        factor: f64,
    },
    /// Log loss of two classes, 0 and 1; the score is the log odds.
    Logistic,
    /// Log loss of several classes; the scores are logits, one for each class.
    Softmax {
        /// Number of classes.
        classes: usize,
    },
    /// Log loss of the pairs of rows of a group with different grades, weighted by the change of the NDCG (Burges 2010).
    LambdaRank,
    /// Log loss of the pairs of rows of a group with different grades (Burges et al. 2005).
    RankNet,
}

/// Targets of the rows, with weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Labels<'a> {
    /// Numbers, or indices of classes.
    pub values: &'a [f32],
    /// Weight of each row; empty for equal weights.
    pub weights: &'a [f32],
    /// Groups of the rows of a ranking; `None` for any other target.
    pub groups: Option<&'a RowGroups>,
}

impl Labels<'_> {
    fn weight(&self, row: usize) -> f64 {
        self.weights.get(row).map_or(1.0, |&weight| f64::from(weight))
    }

    fn all(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.values.iter().enumerate().map(|(row, &value)| (f64::from(value), self.weight(row)))
    }
}

impl BoostObjective {
    /// Number of scores of a row.
    pub fn width(self) -> usize {
        if let Self::Softmax { classes } = self { classes } else { 1 }
    }

    /// `true` if all Hessians of rows with equal weights are 1.
    pub(crate) fn has_constant_hessian(self) -> bool {
        matches!(self, Self::Squared | Self::Absolute | Self::Huber { .. } | Self::Quantile { .. })
    }

    /// Quantile of the residuals that the value of a leaf is, if gradients do not say how large it should be.
    pub(crate) fn leaf_quantile(self) -> Option<f64> {
        match self {
            Self::Absolute => Some(0.5),
            Self::Quantile { level } => Some(level),
            _ => None,
        }
    }

    /// Best constant scores.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the numbers are small")]
    pub(crate) fn base(self, labels: &Labels<'_>) -> Vec<f64> {
        let total: f64 = labels.all().map(|(_, weight)| weight).sum::<f64>().max(f64::MIN_POSITIVE);
        let mean = || labels.all().map(|(value, weight)| value * weight).sum::<f64>() / total;
        match self {
            Self::Squared => vec![mean()],
            // The mean of few large numbers would be far from most rows, and steps are short.
            Self::Absolute | Self::Huber { .. } | Self::Quantile { .. } => {
                let level = self.leaf_quantile().unwrap_or(0.5);
                let mut values: Vec<(f64, f64)> = labels.all().collect();
                vec![weighted_quantile(&mut values, level)]
            }
            // Only differences of scores count.
            Self::LambdaRank | Self::RankNet => vec![0.0],
            Self::Poisson { shift, factor } => vec![(mean() / factor + shift).max(1e-6).ln()],
            Self::Logistic => {
                let p = mean();
                vec![(p / (1.0 - p)).ln().clamp(-MOST_LOG_ODDS, MOST_LOG_ODDS)]
            }
            Self::Softmax { classes } => {
                let mut shares = vec![0.0; classes];
                for (class, weight) in labels.all() {
                    if let Some(share) = shares.get_mut(class as usize) {
                        *share += weight;
                    }
                }
                shares.iter().map(|share| (share / total).ln().max(-MOST_LOG_ODDS)).collect()
            }
        }
    }

    /// Gradient and Hessian of every score (`[rows, width]`).
    pub(crate) fn gradients(self, scores: &[f64], labels: &Labels<'_>, pairs: &mut [[f32; 2]]) {
        if let Some((weight, groups)) = self.pair_weight().zip(labels.groups) {
            groups.gradients(weight, scores, labels.values, pairs);
            return;
        }
        let width = self.width();
        let chunks = pairs.par_chunks_mut(CHUNK_ROWS * width).zip(scores.par_chunks(CHUNK_ROWS * width));
        chunks.enumerate().for_each(|(chunk, (pairs, scores))| {
            let start = chunk * CHUNK_ROWS;
            let rows = start..start + scores.len() / width;
            let values = &labels.values[rows.clone()];
            self.chunk_gradients(scores, values, pairs);
            if let Some(weights) = labels.weights.get(rows) {
                for (pairs, weight) in pairs.chunks_exact_mut(width).zip(weights) {
                    pairs.iter_mut().flatten().for_each(|number| *number *= weight);
                }
            }
        });
    }

    /// Weight of the pairs of a ranking; `None` for any other loss.
    fn pair_weight(self) -> Option<PairWeight> {
        match self {
            Self::LambdaRank => Some(PairWeight::Ndcg),
            Self::RankNet => Some(PairWeight::Equal),
            _ => None,
        }
    }

    #[allow(clippy::cast_possible_truncation, reason = "gradients are quantised afterwards")]
    fn chunk_gradients(self, scores: &[f64], values: &[f32], pairs: &mut [[f32; 2]]) {
        let all = pairs.iter_mut().zip(scores.iter().zip(values));
        match self {
            Self::Squared => {
                all.for_each(|(pair, (score, value))| *pair = [(score - f64::from(*value)) as f32, 1.0]);
            }
            Self::Absolute => all.for_each(|(pair, (score, value))| {
                *pair = [if *score >= f64::from(*value) { 1.0 } else { -1.0 }, 1.0];
            }),
            Self::Huber { delta } => all.for_each(|(pair, (score, value))| {
                *pair = [(score - f64::from(*value)).clamp(-delta, delta) as f32, 1.0];
            }),
            Self::Quantile { level } => all.for_each(|(pair, (score, value))| {
                let gradient = if *score >= f64::from(*value) { 1.0 - level } else { -level };
                *pair = [gradient as f32, 1.0];
            }),
            Self::Poisson { shift, factor } => all.for_each(|(pair, (score, value))| {
                let mean = score.clamp(-30.0, 30.0).exp();
                let count = f64::from(*value) / factor + shift;
                // Newton steps of a small mean would be far too long (as LightGBM's `poisson_max_delta_step`).
                *pair = [(mean - count) as f32, (mean * 0.7_f64.exp()) as f32];
            }),
            Self::Logistic => all.for_each(|(pair, (score, value))| {
                let p = 1.0 / (1.0 + (-*score as f32).exp());
                *pair = [p - value, (p * (1.0 - p)).max(LEAST_HESSIAN)];
            }),
            Self::Softmax { classes } => softmax_gradients(classes, scores, values, pairs),
            // A row without its group has no pairs.
            Self::LambdaRank | Self::RankNet => pairs.fill([0.0, LEAST_HESSIAN]),
        }
    }

    /// Mean loss of rows, unweighted; of a ranking that of its groups.
    pub(crate) fn loss(self, scores: &[f64], labels: &Labels<'_>) -> f64 {
        let values = labels.values;
        if let Some(groups) = labels.groups {
            return groups.loss(scores, values);
        }
        let width = self.width();
        let chunks = scores.par_chunks(CHUNK_ROWS * width).zip(values.par_chunks(CHUNK_ROWS));
        let sums: Vec<f64> = chunks
            .map(|(scores, values)| {
                scores.chunks_exact(width).zip(values).map(|(row, value)| self.row_loss(row, *value)).sum()
            })
            .collect();
        sums.iter().sum::<f64>() / values.len().max(1) as f64
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the numbers are small")]
    fn row_loss(self, scores: &[f64], value: f32) -> f64 {
        let (score, value) = (scores[0], f64::from(value));
        let difference = value - score;
        match self {
            Self::Squared => difference * difference,
            Self::Absolute => difference.abs(),
            Self::Huber { delta } => {
                let distance = difference.abs();
                if distance <= delta { 0.5 * distance * distance } else { delta * (distance - 0.5 * delta) }
            }
            Self::Quantile { level } => difference * if difference >= 0.0 { level } else { level - 1.0 },
            Self::Poisson { shift, factor } => {
                let count = value / factor + shift;
                score.clamp(-30.0, 30.0).exp() - count * score
            }
            // ln(1 + e^s) - y s, without overflow.
            Self::Logistic => score.max(0.0) - score * value + (-score.abs()).exp().ln_1p(),
            Self::Softmax { .. } => {
                let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = scores.iter().map(|score| (score - most).exp()).sum();
                most + sum.ln() - scores.get(value as usize).copied().unwrap_or(most)
            }
            Self::LambdaRank | Self::RankNet => 0.0,
        }
    }
}

/// With the redundant parameter of the softmax, `classes / (classes - 1)` makes a Newton step of the right length
/// (Friedman, Hastie and Tibshirani 2000, `LogitBoost`).
#[allow(clippy::cast_possible_truncation, reason = "gradients are quantised afterwards")]
#[allow(clippy::cast_sign_loss, reason = "the numbers are not negative")]
fn softmax_gradients(classes: usize, scores: &[f64], values: &[f32], pairs: &mut [[f32; 2]]) {
    let factor = classes as f32 / (classes as f32 - 1.0);
    let rows = pairs.chunks_exact_mut(classes).zip(scores.chunks_exact(classes)).zip(values);
    for ((pairs, scores), value) in rows {
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut sum = 0.0;
        for (pair, score) in pairs.iter_mut().zip(scores) {
            pair[0] = ((score - most) as f32).exp();
            sum += pair[0];
        }
        let class = *value as usize;
        for (index, pair) in pairs.iter_mut().enumerate() {
            let p = pair[0] / sum;
            let is = if index == class { 1.0 } else { 0.0 };
            *pair = [p - is, (factor * p * (1.0 - p)).max(LEAST_HESSIAN)];
        }
    }
}

/// Quantile of values with weights: the least value with at least the share `level` of the weight at or below it, halfway
/// to the next one if the share is met exactly.
pub(crate) fn weighted_quantile(values: &mut [(f64, f64)], level: f64) -> f64 {
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = values.iter().map(|(_, weight)| weight).sum();
    let (mut below, goal) = (0.0, level * total);
    for (at, &(value, weight)) in values.iter().enumerate() {
        below += weight;
        if below > goal * (1.0 + 1e-12) {
            return value;
        }
        if below >= goal * (1.0 - 1e-12) {
            return values.get(at + 1).map_or(value, |next| f64::midpoint(value, next.0));
        }
    }
    values.last().map_or(0.0, |(value, _)| *value)
}
