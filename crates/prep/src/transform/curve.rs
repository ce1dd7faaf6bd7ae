//! Bending numbers towards a normal distribution.

use cupola_spec::Scaling;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::stats::quantile;

/// Quantiles that a distribution is told by.
const QUANTILES: usize = 1000;
/// Ranks beyond which a value is as far out as any other, as scikit-learn has it.
const FAR: f64 = 1e-7;

/// A rising function of a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Curve {
    /// Yeo and Johnson (2000), equation 2.1.
    Power {
        /// Its exponent.
        lambda: f64,
    },
    /// The normal quantile of the value's rank among these.
    Quantile {
        /// In order, of equal shares.
        references: Vec<f64>,
    },
}

impl Curve {
    /// The curve that a scaling needs, if it needs one.
    pub(crate) fn fit(scaling: Scaling, sorted: &[f64]) -> Option<Self> {
        match scaling {
            Scaling::Power => Some(Self::Power { lambda: likeliest(sorted) }),
            Scaling::Quantile => {
                let n = QUANTILES.min(sorted.len()).max(2);
                let rank = |i: usize| i as f64 / (n - 1) as f64;
                Some(Self::Quantile { references: (0..n).map(|i| quantile(sorted, rank(i))).collect() })
            }
            _ => None,
        }
    }

    /// The bent value.
    pub fn apply(&self, value: f64) -> f64 {
        match self {
            Self::Power { lambda } => yeo_johnson(value, *lambda),
            Self::Quantile { references } => normal(rank(references, value)),
        }
    }
}

fn yeo_johnson(x: f64, lambda: f64) -> f64 {
    let near = |a: f64| a.abs() < f64::EPSILON;
    if x >= 0.0 {
        if near(lambda) { x.ln_1p() } else { ((x.ln_1p() * lambda).exp_m1()) / lambda }
    } else if near(lambda - 2.0) {
        -(-x).ln_1p()
    } else {
        -(((-x).ln_1p() * (2.0 - lambda)).exp_m1()) / (2.0 - lambda)
    }
}

/// The exponent of the largest log-likelihood of a normal distribution (equation 3.1 there).
fn likeliest(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let fixed: f64 = values.iter().map(|x| x.signum() * x.abs().ln_1p()).sum();
    let spread = values.last().zip(values.first()).map_or(0.0, |(high, low)| high - low);
    if spread < 1e-12 {
        return 1.0;
    }
    let worse = |lambda: f64| {
        let bent: crate::stats::Moments = values.iter().map(|x| yeo_johnson(*x, lambda)).collect();
        let variance = bent.deviation().powi(2);
        if variance < 1e-300 || !variance.is_finite() {
            return f64::INFINITY;
        }
        n / 2.0 * variance.ln() - (lambda - 1.0) * fixed
    };
    // One minimum: by golden sections (Kiefer 1953), to 1e-8.
    let ratio = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (-5.0_f64, 5.0_f64);
    let mut a = high - ratio * (high - low);
    let mut b = low + ratio * (high - low);
    let (mut at_a, mut at_b) = (worse(a), worse(b));
    while high - low > 1e-8 {
        if at_a < at_b {
            (high, b, at_b) = (b, a, at_a);
            a = high - ratio * (high - low);
            at_a = worse(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + ratio * (high - low);
            at_b = worse(b);
        }
    }
    f64::midpoint(low, high)
}

/// The rank of a value among references of equal shares, in the middle of equal ones; the smallest has 0,
/// the largest 1.
fn rank(references: &[f64], value: f64) -> f64 {
    let last = references.len() - 1;
    if value - FAR < references[0] {
        return 0.0;
    }
    if value + FAR > references[last] {
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

/// The normal quantile, cut off where ranks are beyond telling.
fn normal(rank: f64) -> f64 {
    let normal = Normal::standard();
    let edge = FAR - f64::EPSILON;
    normal.inverse_cdf(rank).clamp(normal.inverse_cdf(edge), normal.inverse_cdf(1.0 - edge))
}
