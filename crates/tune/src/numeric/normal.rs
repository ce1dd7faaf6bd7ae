//! Logarithms of normal probabilities, accurate far into the tails.

use std::f64::consts::{LN_2, PI};

use statrs::function::erf::erfc;

/// Logarithm of the square root of two pi.
pub(crate) const LN_SQRT_TAU: f64 = 0.918_938_533_204_672_7;

/// Probability of a standard normal number below `x`.
pub(crate) fn cdf(x: f64) -> f64 {
    0.5 * erfc(-x / std::f64::consts::SQRT_2)
}

/// Logarithm of the density at `x`.
pub(crate) fn ln_pdf(x: f64) -> f64 {
    -0.5 * x * x - LN_SQRT_TAU
}

/// Logarithm of the probability below `x`.
pub(crate) fn ln_cdf(x: f64) -> f64 {
    if x > 6.0 {
        return -cdf(-x);
    }
    if x > -20.0 {
        return cdf(x).ln();
    }
    // Asymptotic series (Abramowitz and Stegun 26.2.12); below -20 eight terms are exact to the last bits.
    let square = 1.0 / (x * x);
    let mut term = 1.0;
    let mut sum = 1.0;
    for order in 1..=8 {
        term *= -f64::from(2 * order - 1) * square;
        sum += term;
    }
    ln_pdf(x) - (-x).ln() + sum.ln()
}

/// Logarithm of the probability between `low` and `high`.
pub(crate) fn ln_mass(low: f64, high: f64) -> f64 {
    if high <= 0.0 {
        let upper = ln_cdf(high);
        upper + ln_one_minus_exp(ln_cdf(low) - upper)
    } else if low > 0.0 {
        ln_mass(-high, -low)
    } else {
        (-cdf(low) - cdf(-high)).ln_1p()
    }
}

/// `ln(1 - exp(x))` for negative `x`.
fn ln_one_minus_exp(x: f64) -> f64 {
    if x > -LN_2 { (-x.exp_m1()).ln() } else { (-x.exp()).ln_1p() }
}

/// `ln(exp(a) + exp(b))`.
pub(crate) fn ln_add(a: f64, b: f64) -> f64 {
    let (small, large) = if a < b { (a, b) } else { (b, a) };
    if small == f64::NEG_INFINITY { large } else { large + (small - large).exp().ln_1p() }
}

/// Number below which a standard normal number lies with the probability `exp(ln_probability)`, by Newton's method.
fn ln_quantile(ln_probability: f64) -> f64 {
    let flipped = ln_probability > -1e-2;
    let target = if flipped { (-ln_probability.exp_m1()).ln() } else { ln_probability };
    let mut x = if target < -5.0 {
        -(-2.0 * (target + LN_SQRT_TAU)).max(0.0).sqrt()
    } else {
        -(3.0_f64.sqrt() / PI) * (-target).exp_m1().ln()
    };
    for _ in 0..100 {
        let below = ln_cdf(x);
        let step = (below - target) * (below - ln_pdf(x)).exp();
        x -= step;
        if step.abs() < 1e-8 * x.abs() {
            break;
        }
    }
    if flipped { -x } else { x }
}

/// Quantile of a standard normal distribution that is truncated to `low..high`.
pub(crate) fn truncated_quantile(unit: f64, low: f64, high: f64) -> f64 {
    let mass = ln_mass(low, high);
    let x = if low < 0.0 {
        ln_quantile(ln_add(ln_cdf(low), unit.ln() + mass))
    } else {
        -ln_quantile(ln_add(ln_cdf(-high), (-unit).ln_1p() + mass))
    };
    if x.is_nan() { low + unit * (high - low) } else { x.clamp(low, high) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    #[test]
    fn logarithms_and_quantiles_equal_those_of_other_libraries() {
        // scipy.special.log_ndtr of SciPy 1.17.1.
        for (x, expected) in [
            (-40.0, -804.608_442_013_753_9),
            (-20.5, -214.066_728_963_263_87),
            (-5.0, -15.064_998_393_988_725),
            (0.0, -std::f64::consts::LN_2),
            (7.0, -1.279_812_543_886_654e-12),
        ] {
            let relative = (ln_cdf(x) - expected) / expected;
            assert!(relative.abs() < 1e-9, "{x}: {}", ln_cdf(x));
        }
        for row in golden::columns(&golden::samplers()["quantiles"]) {
            let found = truncated_quantile(row[0], row[1], row[2]);
            assert!((found - row[3]).abs() < 1e-6 * row[3].abs().max(1.0), "{row:?}: {found}");
        }
    }
}
