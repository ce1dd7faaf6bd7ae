//! Curves that map numbers towards a normal distribution.

use cupola_spec::Scaling;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::stats::{Moments, quantile};

/// Number of quantiles that describe a distribution.
const QUANTILES: usize = 1000;
/// Distance from rank 0 and 1 at which the normal quantile is cut off, as in scikit-learn.
const RANK_MARGIN: f64 = 1e-7;
/// Bound of a smooth clip.
const CLIP: f64 = 3.0;
/// Range of exponents that are searched.
const LAMBDA_RANGE: (f64, f64) = (-5.0, 5.0);
/// Precision of the exponent.
const LAMBDA_PRECISION: f64 = 1e-8;

/// Monotonic function of a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Curve {
    /// Power transform of Yeo and Johnson (2000), equation 2.1.
    Power {
        /// Exponent.
        lambda: f64,
    },
    /// Normal quantile of the value's rank among the references.
    Quantile {
        /// Quantiles of the training values, in ascending order and of equal shares.
        references: Vec<f64>,
    },
    /// Distance from the median in spreads, bounded smoothly: `z / sqrt(1 + (z / 3)^2)` (Holzmüller et al. 2024,
    /// C.1).
    SmoothClip {
        /// Median of the training values.
        shift: f64,
        /// Inverse of their spread; 0 for a constant.
        factor: f64,
    },
    /// Number of steps at or below the value, for trees that only ask on which side of a step it is.
    Steps {
        /// Steps in ascending order.
        steps: Vec<f64>,
    },
}

impl Curve {
    /// Fits the curve of a scaling; `None` if the scaling is linear.
    pub(super) fn fit(scaling: Scaling, sorted: &[f64]) -> Option<Self> {
        match scaling {
            Scaling::Power => Some(Self::Power { lambda: likeliest_lambda(sorted) }),
            Scaling::Quantile => {
                let n = QUANTILES.min(sorted.len()).max(2);
                let rank = |i: usize| i as f64 / (n - 1) as f64;
                Some(Self::Quantile { references: (0..n).map(|i| quantile(sorted, rank(i))).collect() })
            }
            Scaling::RobustClip => {
                let factor = spread(sorted).map_or(0.0, |spread| 1.0 / spread);
                Some(Self::SmoothClip { shift: quantile(sorted, 0.5), factor })
            }
            _ => None,
        }
    }

    /// Value of the function.
    pub fn apply(&self, value: f64) -> f64 {
        match self {
            Self::Power { lambda } => yeo_johnson(value, *lambda),
            Self::SmoothClip { shift, factor } => {
                let z = (value - shift) * factor;
                z / (1.0 + (z / CLIP).powi(2)).sqrt()
            }
            Self::Quantile { references } => normal_quantile(rank(references, value)),
            #[allow(clippy::cast_precision_loss, reason = "a count of steps")]
            Self::Steps { steps } => steps.partition_point(|step| *step <= value) as f64,
        }
    }
}

/// Distance of the quartiles, half the range if that is 0, or `None` for a constant: `RobustScaleFactory` of
/// `pytabkit` 1.7.3.
fn spread(sorted: &[f64]) -> Option<f64> {
    let quartiles = quantile(sorted, 0.75) - quantile(sorted, 0.25);
    let range = sorted.last().zip(sorted.first()).map_or(0.0, |(high, low)| high - low);
    [quartiles, 0.5 * range].into_iter().find(|spread| *spread > 0.0)
}

fn yeo_johnson(x: f64, lambda: f64) -> f64 {
    let is_zero = |a: f64| a.abs() < f64::EPSILON;
    if x >= 0.0 {
        if is_zero(lambda) { x.ln_1p() } else { ((x.ln_1p() * lambda).exp_m1()) / lambda }
    } else if is_zero(lambda - 2.0) {
        -(-x).ln_1p()
    } else {
        -(((-x).ln_1p() * (2.0 - lambda)).exp_m1()) / (2.0 - lambda)
    }
}

/// Exponent with the largest log-likelihood of a normal distribution (equation 3.1), by golden-section search
/// (Kiefer 1953); 1 for a constant.
fn likeliest_lambda(sorted: &[f64]) -> f64 {
    let n = sorted.len() as f64;
    let log_jacobian: f64 = sorted.iter().map(|x| x.signum() * x.abs().ln_1p()).sum();
    let spread = sorted.last().zip(sorted.first()).map_or(0.0, |(high, low)| high - low);
    if spread < 1e-12 {
        return 1.0;
    }
    let negative_log_likelihood = |lambda: f64| {
        let transformed: Moments = sorted.iter().map(|x| yeo_johnson(*x, lambda)).collect();
        let variance = transformed.deviation().powi(2);
        if variance < 1e-300 || !variance.is_finite() {
            return f64::INFINITY;
        }
        n / 2.0 * variance.ln() - (lambda - 1.0) * log_jacobian
    };
    golden_section(LAMBDA_RANGE, LAMBDA_PRECISION, negative_log_likelihood)
}

/// Minimum of a function with one minimum in the range.
fn golden_section((mut low, mut high): (f64, f64), precision: f64, f: impl Fn(f64) -> f64) -> f64 {
    let ratio = (5.0_f64.sqrt() - 1.0) / 2.0;
    let mut a = high - ratio * (high - low);
    let mut b = low + ratio * (high - low);
    let (mut at_a, mut at_b) = (f(a), f(b));
    while high - low > precision {
        if at_a < at_b {
            (high, b, at_b) = (b, a, at_a);
            a = high - ratio * (high - low);
            at_a = f(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + ratio * (high - low);
            at_b = f(b);
        }
    }
    f64::midpoint(low, high)
}

/// Rank of a value among references of equal shares: 0 for the smallest, 1 for the largest, the middle of equal
/// references.
fn rank(references: &[f64], value: f64) -> f64 {
    let last = references.len() - 1;
    if value - RANK_MARGIN < references[0] {
        return 0.0;
    }
    if value + RANK_MARGIN > references[last] {
        return 1.0;
    }
    let first = references.partition_point(|reference| *reference < value);
    let after = references.partition_point(|reference| *reference <= value);
    if after > first {
        return f64::midpoint(first as f64, (after - 1) as f64) / last as f64;
    }
    let (low, high) = (references[first - 1], references[first]);
    ((first - 1) as f64 + (value - low) / (high - low)) / last as f64
}

/// Quantile of the standard normal distribution, cut off near rank 0 and 1.
fn normal_quantile(rank: f64) -> f64 {
    let normal = Normal::standard();
    let edge = RANK_MARGIN - f64::EPSILON;
    normal.inverse_cdf(rank).clamp(normal.inverse_cdf(edge), normal.inverse_cdf(1.0 - edge))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smooth_clips_are_pytabkits() {
        // scripts/golden/realmlp.py; the last column has equal quartiles: half its range counts.
        let cases: [(&[f64], &[f64]); 4] = [
            (
                &[0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 100.0],
                &[-0.5251, -0.396_491, -0.265_619, -0.133_202, 0.133_202, 0.5251, 1.114_172, 2.920_849],
            ),
            (&[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 4.0], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.4, 2.948_617]),
            (&[3.0; 8], &[0.0; 8]),
            (&[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.664_101]),
        ];
        for (column, expected) in cases {
            let curve = Curve::fit(Scaling::RobustClip, column).unwrap();
            for (value, expected) in column.iter().zip(expected) {
                let found = curve.apply(*value);
                assert!((found - expected).abs() < 1e-5, "{column:?}, {value}: {found}, pytabkit {expected}");
            }
        }
    }
}
