//! Platt's sigmoid.

use serde::{Deserialize, Serialize};

/// Most steps of Newton's method; a dozen are usual.
const MOST_STEPS: usize = 200;
/// Smallest added curvature, which keeps the steps finite where rows of both classes are separated.
const RIDGE: f64 = 1e-12;

/// Sigmoid of a score: the probability is `1 / (1 + exp(slope * score + intercept))`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PlattSigmoid {
    /// Factor of the score; negative if larger scores are likelier.
    pub slope: f64,
    /// Added to it.
    pub intercept: f64,
}

impl PlattSigmoid {
    /// Calibrated probability of a score.
    pub fn probability(&self, score: f64) -> f64 {
        sigmoid(-(self.slope * score + self.intercept))
    }
}

/// Sigmoid with the least log loss, by Newton's method with halved steps (Platt 1999; Lin et al. 2007, "A note on Platt's
/// probabilistic outputs"). Targets are moved inwards, to `(n + 1) / (n + 2)` and `1 / (n + 2)` for `n` rows of the class, so
/// that separated rows have a finite optimum. `None` without rows.
pub fn platt(scores: &[f64], positive: &[bool]) -> Option<PlattSigmoid> {
    if scores.is_empty() || scores.len() != positive.len() {
        return None;
    }
    // In units of the largest score, so that steps are of one size.
    let scale = scores.iter().fold(0.0_f64, |largest, score| largest.max(score.abs())).max(f64::MIN_POSITIVE);
    let scaled: Vec<f64> = scores.iter().map(|score| score / scale).collect();
    let count = |class: bool| positive.iter().fold(0.0, |n, own| if *own == class { n + 1.0 } else { n });
    let (ones, zeros) = (count(true), count(false));
    let target = |own: bool| if own { (ones + 1.0) / (ones + 2.0) } else { 1.0 / (zeros + 2.0) };
    let rows = || scaled.iter().zip(positive).map(|(score, own)| (*score, target(*own)));
    // Log loss with the log-odds `a * score + b`.
    let loss = |[a, b]: [f64; 2]| -> f64 {
        rows().map(|(score, target)| softplus(a * score + b) - target * (a * score + b)).sum()
    };
    let mut at = [0.0, ((ones + 1.0) / (zeros + 1.0)).ln()];
    let mut value = loss(at);
    for _ in 0..MOST_STEPS {
        let [step_a, step_b] = newton_step(rows(), at);
        let mut length = 1.0;
        let next = loop {
            let next = [at[0] - length * step_a, at[1] - length * step_b];
            let next_value = loss(next);
            if next_value < value {
                break Some((next, next_value));
            }
            length /= 2.0;
            if length < 1e-10 {
                break None;
            }
        };
        let Some((next, next_value)) = next else { break };
        (at, value) = (next, next_value);
    }
    // The last step is below the precision of the loss, not of the parameters.
    let [step_a, step_b] = newton_step(rows(), at);
    let polished = [at[0] - step_a, at[1] - step_b];
    if loss(polished) <= value + 1e-12 * value.abs() {
        at = polished;
    }
    Some(PlattSigmoid { slope: -at[0] / scale, intercept: -at[1] })
}

/// Inverse of the curvature times the gradient of the log loss.
fn newton_step(rows: impl Iterator<Item = (f64, f64)>, [a, b]: [f64; 2]) -> [f64; 2] {
    let (mut gradient, mut curvature) = ([0.0; 2], [RIDGE, 0.0, RIDGE]);
    for (score, target) in rows {
        let p = sigmoid(a * score + b);
        let weight = p * (1.0 - p);
        gradient[0] += (p - target) * score;
        gradient[1] += p - target;
        curvature[0] += weight * score * score;
        curvature[1] += weight * score;
        curvature[2] += weight;
    }
    let [aa, ab, bb] = curvature;
    let determinant = aa * bb - ab * ab;
    let [ga, gb] = gradient;
    [(bb * ga - ab * gb) / determinant, (aa * gb - ab * ga) / determinant]
}

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
