//! Functions of rows, in loops that the compiler makes vector instructions of, whichever the processor
//! has.

use rayon::prelude::*;

use super::functions::exp;
use super::vectors::vectorized;

/// Values that are worth a thread.
pub const PIECE: usize = 16 << 10;

/// Pieces of so many values through `f`: by several threads where there are enough of them.
pub fn pieces(values: &mut [f32], piece: usize, f: impl Fn(&mut [f32]) + Sync) {
    let all = |piece: &mut [f32]| {
        vectorized(
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
        |rows| {
            for row in rows.chunks_exact_mut(width) {
                f(row);
            }
        },
    );
}

/// Softmax of each row.
pub fn softmax(values: &mut [f32], width: usize) {
    each(
        values,
        width,
        #[inline(always)]
        |row| softmax_row(row),
    );
}

/// Softmax of one row, for those who hold one.
#[inline(always)]
pub fn softmax_row(row: &mut [f32]) {
    let most = most(row, f32::NEG_INFINITY, |x| x);
    for x in &mut *row {
        *x = exp(*x - most);
    }
    let scale = 1.0 / sum(row, |x| x);
    for x in row {
        *x *= scale;
    }
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
            for x in &mut *row {
                *x -= mean;
            }
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
            for (x, w) in row.iter_mut().zip(weight) {
                *x *= scale * w;
            }
        },
    );
}

/// The sum of a function of each value, in sixteen lanes: the order that vector instructions want.
#[inline(always)]
pub fn sum(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (whole, rest) = row.as_chunks::<16>();
    let mut lanes = [0.0; 16];
    for chunk in whole {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += f(*x);
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane += f(*x);
    }
    lanes.iter().sum()
}

/// The largest value of a function of each, likewise; at least `start`.
#[inline(always)]
pub fn most(row: &[f32], start: f32, f: impl Fn(f32) -> f32) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (whole, rest) = row.as_chunks::<16>();
    let mut lanes = [start; 16];
    for chunk in whole {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, f(*x));
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane = larger(*lane, f(*x));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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
