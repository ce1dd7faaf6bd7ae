//! Activation functions and their derivatives.

use rayon::prelude::*;

use super::output::OutputBuffer;
use crate::pointwise::{Pointwise, SELU_BELOW, SELU_SCALE, erf, exp, mish_gate, selu, sigmoid, tanh};
use crate::simd::{CHUNK, vectorized};

/// `1 / sqrt(2 pi)`
const NORMAL_DENSITY: f32 = 0.398_942_3;
/// `sqrt(2 / pi)`
const TANH_SCALE: f32 = 0.797_884_6;
const TANH_CUBE: f32 = 0.044_715;

/// Activations of `x`.
pub fn forward(function: Pointwise, x: &[f32]) -> Vec<f32> {
    let mut out = OutputBuffer::new(x.len());
    let parts = out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK));
    parts.for_each(|(out, x)| activate(function, x, out));
    out.into_vec()
}

/// Gradient of `x` from the gradient of its activations. With `ReLU`, the activations may stand for `x`.
pub fn backward(function: Pointwise, x: &[f32], gradient: &[f32]) -> Vec<f32> {
    let mut out = OutputBuffer::new(x.len());
    let parts = out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).zip(gradient.par_chunks(CHUNK));
    parts.for_each(|((out, x), gradient)| differentiate(function, [x, gradient], out));
    out.into_vec()
}

/// Sets `out` to the activations of `x` on the current thread.
pub(super) fn activate(function: Pointwise, x: &[f32], out: &mut [f32]) {
    match function {
        // NaN stays NaN.
        Pointwise::Relu => map(
            x,
            out,
            #[inline(always)]
            |x| if x < 0.0 { 0.0 } else { x },
        ),
        Pointwise::Gelu => map(
            x,
            out,
            #[inline(always)]
            |x| x * 0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
        ),
        Pointwise::GeluTanh => map(
            x,
            out,
            #[inline(always)]
            |x| x * 0.5 * (1.0 + tanh((x + TANH_CUBE * x * x * x) * TANH_SCALE)),
        ),
        Pointwise::Silu => map(
            x,
            out,
            #[inline(always)]
            |x| x * sigmoid(x),
        ),
        Pointwise::Tanh => map(
            x,
            out,
            #[inline(always)]
            |x| tanh(x),
        ),
        Pointwise::Sigmoid => map(
            x,
            out,
            #[inline(always)]
            |x| sigmoid(x),
        ),
        Pointwise::Selu => map(
            x,
            out,
            #[inline(always)]
            |x| selu(x),
        ),
        Pointwise::Mish => map(
            x,
            out,
            #[inline(always)]
            |x| x * mish_gate(x),
        ),
    }
}

/// Sets `out` to the gradient of `x` on the current thread.
fn differentiate(function: Pointwise, [x, gradient]: [&[f32]; 2], out: &mut [f32]) {
    match function {
        // The gradient of NaN passes: it must not look like that of a finite value.
        Pointwise::Relu => zip(
            [x, gradient],
            out,
            #[inline(always)]
            |x, g| if x <= 0.0 { 0.0 } else { g },
        ),
        Pointwise::Gelu => zip(
            [x, gradient],
            out,
            #[inline(always)]
            |x, g| {
                let below = 0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
                g * (below + x * NORMAL_DENSITY * exp(-0.5 * x * x))
            },
        ),
        Pointwise::GeluTanh => zip(
            [x, gradient],
            out,
            #[inline(always)]
            |x, g| {
                let t = tanh((x + TANH_CUBE * x * x * x) * TANH_SCALE);
                let inner = TANH_SCALE * (1.0 + 3.0 * TANH_CUBE * x * x);
                g * 0.5 * (1.0 + t + x * (1.0 - t * t) * inner)
            },
        ),
        Pointwise::Silu => zip(
            [x, gradient],
            out,
            #[inline(always)]
            |x, g| {
                let s = sigmoid(x);
                g * s * (1.0 + x * (1.0 - s))
            },
        ),
        Pointwise::Tanh => zip(
            [x, gradient],
            out,
            #[inline(always)]
            |x, g| {
                let t = tanh(x);
                g * (1.0 - t * t)
            },
        ),
        Pointwise::Sigmoid => zip(
            [x, gradient],
            out,
            #[inline(always)]
            |x, g| {
                let s = sigmoid(x);
                g * s * (1.0 - s)
            },
        ),
        Pointwise::Selu => zip(
            [x, gradient],
            out,
            #[inline(always)]
            |x, g| if x > 0.0 { g * SELU_SCALE } else { g * SELU_BELOW * exp(x) },
        ),
        Pointwise::Mish => zip(
            [x, gradient],
            out,
            #[inline(always)]
            |x, g| {
                let gate = mish_gate(x);
                g * (gate + x * (1.0 - gate * gate) * sigmoid(x))
            },
        ),
    }
}

fn map(x: &[f32], out: &mut [f32], f: impl Fn(f32) -> f32) {
    vectorized(
        #[inline(always)]
        || {
            for (out, x) in out.iter_mut().zip(x) {
                *out = f(*x);
            }
        },
    );
}

fn zip([x, gradient]: [&[f32]; 2], out: &mut [f32], f: impl Fn(f32, f32) -> f32) {
    vectorized(
        #[inline(always)]
        || {
            for ((out, x), g) in out.iter_mut().zip(x).zip(gradient) {
                *out = f(*x, *g);
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;

    fn exact(function: Pointwise, x: f64) -> f64 {
        let sigmoid = 1.0 / (1.0 + (-x).exp());
        match function {
            Pointwise::Relu => x.max(0.0),
            Pointwise::Gelu => x * 0.5 * (1.0 + reference::erf(x / 2.0_f64.sqrt())),
            Pointwise::GeluTanh => {
                x * 0.5 * (1.0 + ((x + 0.044_715 * x.powi(3)) * (2.0 / std::f64::consts::PI).sqrt()).tanh())
            }
            Pointwise::Silu => x * sigmoid,
            Pointwise::Tanh => x.tanh(),
            Pointwise::Sigmoid => sigmoid,
            Pointwise::Selu if x > 0.0 => 1.050_700_987_355_480_5 * x,
            Pointwise::Selu => 1.050_700_987_355_480_5 * 1.673_263_242_354_377_2 * x.exp_m1(),
            Pointwise::Mish => x * x.exp().ln_1p().tanh(),
        }
    }

    #[test]
    fn derivatives_are_those_of_finite_differences_in_64_bits() {
        // The reference's error function loses digits further out.
        let x: Vec<f32> = (-20_000..20_000).map(|i| (i as f32 + 0.5) * 2e-4).collect();
        let gradient: Vec<f32> = (0..x.len()).map(|i| (i as f32 * 0.7).sin()).collect();
        for function in [
            Pointwise::Relu,
            Pointwise::Gelu,
            Pointwise::GeluTanh,
            Pointwise::Silu,
            Pointwise::Tanh,
            Pointwise::Sigmoid,
            Pointwise::Selu,
            Pointwise::Mish,
        ] {
            let (y, found) = (forward(function, &x), backward(function, &x, &gradient));
            for (((x, y), g), found) in x.iter().zip(&y).zip(&gradient).zip(&found) {
                let (x, h) = (f64::from(*x), 1e-5);
                assert!((f64::from(*y) - exact(function, x)).abs() < 1.5e-6, "{function:?} at {x}: {y}");
                let slope = (exact(function, x + h) - exact(function, x - h)) / (2.0 * h);
                let expected = slope * f64::from(*g);
                assert!(
                    (f64::from(*found) - expected).abs() < 2e-6,
                    "{function:?} at {x}: {found}, {expected}"
                );
            }
        }
    }

    #[test]
    fn nan_stays_nan() {
        for function in [Pointwise::Relu, Pointwise::Gelu, Pointwise::Silu, Pointwise::Selu, Pointwise::Mish]
        {
            assert!(forward(function, &[f32::NAN])[0].is_nan());
        }
        assert!(backward(Pointwise::Relu, &[f32::NAN], &[1.0])[0] > 0.5);
    }
}
