//! Functions of rows, in loops that the compiler makes vector instructions of, whichever the processor
//! has.

use cupola_spec::Activation;
use pulp::Arch;
use rayon::prelude::*;

/// Values that are worth a thread.
pub const PIECE: usize = 16 << 10;

/// Adding it rounds a number of less than 2^22 to a whole one, whose bits come out at the low end.
pub const ROUND: f32 = 12_582_912.0;

/// Pieces of so many values through `f`: by several threads where there are enough of them.
fn pieces(values: &mut [f32], piece: usize, f: impl Fn(&mut [f32]) + Sync) {
    let arch = Arch::new();
    let all = |piece: &mut [f32]| {
        arch.dispatch(
            #[inline(always)]
            || f(piece),
        );
    };
    if values.len() <= piece { all(values) } else { values.par_chunks_mut(piece).for_each(all) }
}

/// Rows `[.., width]` through `f`.
pub fn each(values: &mut [f32], width: usize, f: impl Fn(&mut [f32]) + Sync) {
    let width = width.max(1);
    pieces(
        values,
        (PIECE / width).max(1) * width,
        #[inline(always)]
        |rows| rows.chunks_exact_mut(width).for_each(&f),
    );
}

/// Each value.
fn map(values: &mut [f32], f: impl Fn(f32) -> f32 + Sync) {
    pieces(
        values,
        PIECE,
        #[inline(always)]
        |values| values.iter_mut().for_each(|x| *x = f(*x)),
    );
}

/// An activation of each value.
pub fn activate(function: Activation, values: &mut [f32]) {
    match function {
        Activation::Relu => map(
            values,
            #[inline(always)]
            // What is no number stays none.
            |x| if x < 0.0 { 0.0 } else { x },
        ),
        Activation::Gelu => map(
            values,
            #[inline(always)]
            |x| x * 0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
        ),
        Activation::GeluTanh => map(
            values,
            #[inline(always)]
            |x| {
                let inner = (x + 0.044_715 * x * x * x) * (2.0 / std::f32::consts::PI).sqrt();
                x * 0.5 * (1.0 + tanh(inner))
            },
        ),
        Activation::Silu => map(
            values,
            #[inline(always)]
            |x| x * sigmoid(x),
        ),
        Activation::Tanh => map(
            values,
            #[inline(always)]
            |x| tanh(x),
        ),
        Activation::Sigmoid => map(
            values,
            #[inline(always)]
            |x| sigmoid(x),
        ),
    }
}

/// Softmax of each row.
pub fn softmax(values: &mut [f32], width: usize) {
    each(values, width, softmax_row);
}

/// Softmax of one row, for those who hold one.
#[inline(always)]
pub fn softmax_row(row: &mut [f32]) {
    let most = most(row, f32::NEG_INFINITY, |x| x);
    row.iter_mut().for_each(|x| *x = exp(*x - most));
    let scale = 1.0 / sum(row, |x| x);
    row.iter_mut().for_each(|x| *x *= scale);
}

/// Each row with mean 0 and variance 1, then scaled and shifted (Ba et al. 2016).
pub fn layer_norm(values: &mut [f32], weight: &[f32], bias: &[f32], eps: f32) {
    each(
        values,
        weight.len(),
        #[inline(always)]
        |row| {
            let count = row.len() as f32;
            let mean = sum(row, |x| x) / count;
            row.iter_mut().for_each(|x| *x -= mean);
            let variance = sum(row, |x| x * x) / count;
            let scale = 1.0 / (variance + eps).sqrt();
            for ((x, w), b) in row.iter_mut().zip(weight).zip(bias) {
                *x = *x * scale * w + b;
            }
        },
    );
}

/// Each row with a mean square of 1, then scaled (Zhang and Sennrich 2019).
pub fn rms_norm(values: &mut [f32], weight: &[f32], eps: f32) {
    each(
        values,
        weight.len(),
        #[inline(always)]
        |row| {
            let square = sum(row, |x| x * x) / row.len() as f32;
            let scale = 1.0 / (square + eps).sqrt();
            row.iter_mut().zip(weight).for_each(|(x, w)| *x *= scale * w);
        },
    );
}

/// The sum of a function of each value, in sixteen lanes: the order that vector instructions want.
#[inline(always)]
pub fn sum(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (whole, rest) = row.as_chunks::<16>();
    let mut lanes = [0.0; 16];
    for chunk in whole {
        lanes.iter_mut().zip(chunk).for_each(|(lane, x)| *lane += f(*x));
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, x)| *lane += f(*x));
    lanes.iter().sum()
}

/// The largest value of a function of each, likewise; at least `start`.
#[inline(always)]
pub fn most(row: &[f32], start: f32, f: impl Fn(f32) -> f32) -> f32 {
    let larger = |lane: &mut f32, x: f32| {
        if x > *lane {
            *lane = x;
        }
    };
    let (whole, rest) = row.as_chunks::<16>();
    let mut lanes = [start; 16];
    for chunk in whole {
        lanes.iter_mut().zip(chunk).for_each(|(lane, x)| larger(lane, f(*x)));
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, x)| larger(lane, f(*x)));
    lanes.into_iter().fold(start, f32::max)
}

/// The largest absolute value.
#[inline(always)]
pub fn largest(row: &[f32]) -> f32 {
    most(
        row,
        0.0,
        #[inline(always)]
        |x| x.abs(),
    )
}

/// By Cody and Waite's reduction and a polynomial of degree 6 (Cephes, `expf`): within 1e-7 of its value. What is
/// larger than 88 or smaller than -87 gives what those give.
#[inline(always)]
fn exp(x: f32) -> f32 {
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
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

/// A quotient of polynomials (Eigen, `generic_fast_erf_float`): within 3e-7.
#[inline(always)]
fn erf(x: f32) -> f32 {
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

    /// `erf` by its series, in double precision.
    fn exact_erf(x: f64) -> f64 {
        let (mut sum, mut term) = (0.0, x);
        for n in 0..200 {
            sum += term / f64::from(2 * n + 1);
            term *= -x * x / f64::from(n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

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
                near(erf(x), exact_erf(wide), 6e-7);
            }
        }
        let mut wide = [-1e30, 1e30, f32::NAN, f32::NEG_INFINITY];
        activate(Activation::Sigmoid, &mut wide);
        assert!(wide[0] < 1e-30 && (wide[1] - 1.0).abs() < 1e-7 && wide[2].is_nan() && wide[3] < 1e-30);
    }

    #[test]
    fn rows_of_any_width_are_normalized() {
        for width in [1, 3, 16, 17, 100, 20_000] {
            let mut values: Vec<f32> = (0..3 * width).map(|i| (i as f32 * 0.7).sin() * 5.0).collect();
            let mut soft = values.clone();
            softmax(&mut soft, width);
            for row in soft.chunks(width) {
                assert!((row.iter().map(|x| f64::from(*x)).sum::<f64>() - 1.0).abs() < 1e-5);
            }
            let (ones, zeros) = (vec![1.0; width], vec![0.0; width]);
            layer_norm(&mut values, &ones, &zeros, 1e-12);
            for row in values.chunks(width).filter(|_| width > 1) {
                let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / width as f64;
                let square = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / width as f64;
                assert!(mean.abs() < 1e-5 && (square - 1.0).abs() < 1e-4, "{width}: {mean} {square}");
            }
        }
    }
}
