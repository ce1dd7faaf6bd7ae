//! Activation functions of single values, as loops that compile to vector instructions.

pub mod elementwise;

use crate::simd::{CHUNK, for_each_chunk};

/// Adding this to a number below 2^22 rounds it to an integer, which then stands in the low bits.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// Function that is applied to each value alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pointwise {
    /// `max(x, 0)`
    Relu,
    /// `x * Phi(x)`, `Phi` being the normal distribution function (Hendrycks and Gimpel 2016).
    Gelu,
    /// GELU by its approximation with `tanh`.
    GeluTanh,
    /// `x * sigmoid(x)`
    Silu,
    /// Hyperbolic tangent.
    Tanh,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// Scaled exponential linear unit (Klambauer et al. 2017).
    Selu,
    /// `x * tanh(ln(1 + exp(x)))` (Misra 2019).
    Mish,
}

/// Applies a function to each value in place.
pub fn activate(function: Pointwise, values: &mut [f32]) {
    match function {
        Pointwise::Relu => map(
            values,
            #[inline(always)]
            // NaN stays NaN.
            |x| if x < 0.0 { 0.0 } else { x },
        ),
        Pointwise::Gelu => map(
            values,
            #[inline(always)]
            |x| x * 0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
        ),
        Pointwise::GeluTanh => map(
            values,
            #[inline(always)]
            |x| {
                let inner = (x + 0.044_715 * x * x * x) * (2.0 / std::f32::consts::PI).sqrt();
                x * 0.5 * (1.0 + tanh(inner))
            },
        ),
        Pointwise::Silu => map(
            values,
            #[inline(always)]
            |x| x * sigmoid(x),
        ),
        Pointwise::Tanh => map(
            values,
            #[inline(always)]
            |x| tanh(x),
        ),
        Pointwise::Sigmoid => map(
            values,
            #[inline(always)]
            |x| sigmoid(x),
        ),
        Pointwise::Selu => map(
            values,
            #[inline(always)]
            |x| selu(x),
        ),
        Pointwise::Mish => map(
            values,
            #[inline(always)]
            |x| x * mish_gate(x),
        ),
    }
}

fn map(values: &mut [f32], f: impl Fn(f32) -> f32 + Sync) {
    for_each_chunk(
        values,
        CHUNK,
        #[inline(always)]
        |values| {
            for x in values {
                *x = f(*x);
            }
        },
    );
}

/// Exponential by Cody and Waite's reduction and a polynomial of degree 6 (Cephes, `expf`), with a relative error below
/// 1e-7. Arguments are clamped to -87..=88.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p * r + c;
    }
    let power = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    (p * r * r + r + 1.0) * f32::from_bits(power)
}

#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

/// Factor of SELU, and its factor of the exponential below 0.
pub(crate) const SELU_SCALE: f32 = 1.050_701;
pub(crate) const SELU_BELOW: f32 = 1.050_701 * 1.673_263_2;

#[inline(always)]
pub(crate) fn selu(x: f32) -> f32 {
    // NaN takes the second branch and stays NaN.
    if x > 0.0 { SELU_SCALE * x } else { SELU_BELOW * below_zero(x) }
}

/// `exp(x) - 1` for `x` of at most 0, by its Taylor series near 0, where the difference would lose digits.
#[inline(always)]
fn below_zero(x: f32) -> f32 {
    let series = x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x * (1.0 / 120.0)))));
    if x > -0.1 { series } else { exp(x) - 1.0 }
}

/// `tanh(ln(1 + exp(x)))`, which is `(n^2 + 2 n) / (n^2 + 2 n + 2)` with `n = exp(x)`.
#[inline(always)]
pub(crate) fn mish_gate(x: f32) -> f32 {
    // The square of a larger exponential overflows; the quotient is 1 already.
    let n = exp(if x > 20.0 { 20.0 } else { x });
    let sum = n * (n + 2.0);
    sum / (sum + 2.0)
}

/// Error function by a quotient of polynomials (Eigen, `generic_fast_erf_float`), with an error below 3e-7.
#[inline(always)]
pub(crate) fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let square = x * x;
    let mut p = -2.726_142_3e-10;
    for c in [2.770_681_4e-8, -2.101_024e-6, -5.692_506_3e-5, -7.349_906_3e-4, -2.954_6e-3, -1.609_603_3e-2] {
        p = p * square + c;
    }
    let mut q = -1.456_607_2e-5;
    for c in [-2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2] {
        q = q * square + c;
    }
    x * p / q
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;

    #[test]
    fn functions_are_within_float_precision_of_the_exact_ones() {
        for step in -40_000..=40_000 {
            let x = step as f32 * 1e-4 * 20.0;
            let wide = f64::from(x);
            let near = |found: f32, exact: f64, within: f64| {
                assert!((f64::from(found) - exact).abs() <= within, "{x}: {found}, exactly {exact}");
            };
            near(exp(x), wide.exp(), 3e-7 * wide.exp());
            near(sigmoid(x), 1.0 / (1.0 + (-wide).exp()), 2e-7);
            near(tanh(x), wide.tanh(), 3e-7);
            if x.abs() < 5.0 {
                near(erf(x), reference::erf(wide), 6e-7);
            }
        }
        let mut wide = [-1e30, 1e30, f32::NAN, f32::NEG_INFINITY];
        activate(Pointwise::Sigmoid, &mut wide);
        assert!(wide[0] < 1e-30 && (wide[1] - 1.0).abs() < 1e-7 && wide[2].is_nan() && wide[3] < 1e-30);
    }
}
