//! Rows of values as small whole numbers.

use std::ops::Range;

use rayon::prelude::*;

use super::super::functions::ROUND;
use super::super::rows::{PIECE, largest, sum};
use super::super::vectors::vectorized;
use super::DEPTH;
use super::sums::{Sums, of_bytes, of_words};

/// Values far out of a row at most.
const OUTLIERS: usize = 32;
/// Steps that the mean of a row's absolute values is worth at least.
const MEAN: f32 = 25.0;
/// Times this mean a value may be in words: as large as sums leave room for others, and never reached by most networks.
const FAR: f32 = 40.0;

/// What values become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// 8 bits with 128 added, but for values that are far out.
    Bytes,
    /// As many of 16 bits as sums of 32 bits allow.
    Words,
}

/// Rows of whole numbers.
pub struct Rows {
    values: Values,
    /// Values of a row, filled up.
    wide: usize,
    /// What 1 stands for in each row.
    pub scales: Vec<f32>,
    /// Places and values that are far out in each row.
    pub outliers: Vec<Vec<(usize, f32)>>,
}

/// `[rows, wide]`
enum Values {
    Bytes(Vec<u8>),
    Words(Vec<i16>),
}

impl Form {
    /// What this processor multiplies fastest.
    pub fn of_this_processor() -> Self {
        #[cfg(target_arch = "x86_64")]
        if super::vnni::has() {
            return Self::Bytes;
        }
        Self::Words
    }

    /// The largest number that a value becomes, and times the mean of a row's absolute values from where on one is
    /// far out.
    fn steps(self, input: usize) -> (f32, f32) {
        match self {
            // Of normal values one in 15,000 is.
            Self::Bytes => (127.0, 127.0 / MEAN),
            // As many as the sums of products with bytes of weights have room for.
            Self::Words => {
                let room = i32::MAX as usize / 127 / input.max(1);
                let most = room.min(i16::MAX as usize) as f32;
                (most, FAR.min(most / MEAN))
            }
        }
    }

    /// What is added to each value.
    pub fn added(self) -> i32 {
        match self {
            Self::Bytes => 128,
            Self::Words => 0,
        }
    }
}

impl Rows {
    /// Of values `[rows, input]`.
    pub fn new(x: &[f32], input: usize, form: Form) -> Self {
        let (count, wide) = (x.len() / input.max(1), input.div_ceil(DEPTH) * DEPTH);
        let (mut scales, mut outliers) = (vec![0.0; count], vec![Vec::new(); count]);
        let mut each = scales.iter_mut().zip(&mut outliers).collect::<Vec<_>>();
        let steps = form.steps(input);
        let values = match form {
            Form::Bytes => Values::Bytes(all(
                (x, input),
                wide,
                &mut each,
                steps,
                #[inline(always)]
                |bits| bits.to_le_bytes()[0] ^ 0x80,
            )),
            Form::Words => Values::Words(all(
                (x, input),
                wide,
                &mut each,
                steps,
                #[inline(always)]
                #[allow(clippy::cast_possible_truncation)]
                |bits| (bits as u16).cast_signed(),
            )),
        };
        Self { values, wide, scales, outliers }
    }

    pub fn count(&self) -> usize {
        self.scales.len()
    }

    /// Sums of some rows with a weight `[blocks, deep, 16, 4]`.
    pub fn sums(&self, rows: Range<usize>, weight: &[i8], blocks: usize) -> Sums {
        let (shape, at) = ([rows.len(), blocks], rows.start * self.wide..rows.end * self.wide);
        match &self.values {
            Values::Bytes(values) => of_bytes(&values[at], weight, shape),
            Values::Words(values) => of_words(&values[at], weight, shape),
        }
    }
}

/// Rows `[rows, wide]` of whole numbers, by several threads where there are many; each has a scale and outliers. `of`
/// makes a number of the bits whose low end it is.
fn all<T: Copy + Send>(
    (x, input): (&[f32], usize),
    wide: usize,
    each: &mut [(&mut f32, &mut Vec<(usize, f32)>)],
    steps: (f32, f32),
    of: impl Fn(u32) -> T + Sync,
) -> Vec<T> {
    let input = input.max(1);
    let piece = (4 * PIECE / input).max(1);
    let mut values = vec![of(0); each.len() * wide];
    let run = |x: &[f32], values: &mut [T], each: &mut [(&mut f32, &mut Vec<(usize, f32)>)]| {
        vectorized(
            #[inline(always)]
            || {
                for (i, row) in x.chunks_exact(input).enumerate() {
                    let (scale, outliers) = &mut each[i];
                    **scale = whole(row, &mut values[i * wide..][..wide], outliers, steps, &of);
                }
            },
        );
    };
    if each.len() <= piece {
        run(x, &mut values, each);
    } else {
        let parts = x.par_chunks(piece * input).zip(values.par_chunks_mut(piece * wide));
        parts.zip(each.par_chunks_mut(piece)).for_each(|((x, values), each)| run(x, values, each));
    }
    values
}

/// A row in whole numbers, but for what is far out; returns what 1 stands for.
#[inline(always)]
fn whole<T>(
    row: &[f32],
    values: &mut [T],
    outliers: &mut Vec<(usize, f32)>,
    (steps, far): (f32, f32),
    of: &impl Fn(u32) -> T,
) -> f32 {
    let mut most = largest(row);
    let total = sum(
        row,
        #[inline(always)]
        |x| x.abs(),
    );
    let mut far = far * total / row.len().max(1) as f32;
    if most > far {
        most = loop {
            match beyond(row, far, outliers) {
                Some(most) => break most,
                None => far *= 1.25,
            }
        };
    }
    let scale = if most > 0.0 { steps / most } else { 0.0 };
    for (value, x) in values.iter_mut().zip(row) {
        *value = of((x * scale + ROUND).to_bits());
    }
    for (i, _) in &*outliers {
        values[*i] = of(0);
    }
    // A row with a value that is no number gives none.
    most / steps
        + sum(
            row,
            #[inline(always)]
            |x| x * 0.0,
        )
}

/// Finds what is larger than `far`, and returns the largest of what is not; `None` where they are too many.
#[inline(always)]
fn beyond(row: &[f32], far: f32, outliers: &mut Vec<(usize, f32)>) -> Option<f32> {
    const CHUNK: usize = 32;
    outliers.clear();
    let mut within = 0.0_f32;
    for (chunk, values) in row.chunks(CHUNK).enumerate() {
        let most = largest(values);
        if most <= far {
            within = within.max(most);
            continue;
        }
        for (i, x) in values.iter().enumerate() {
            if x.abs() > far {
                outliers.push((chunk * CHUNK + i, *x));
            } else {
                within = within.max(x.abs());
            }
        }
        if outliers.len() > OUTLIERS {
            return None;
        }
    }
    Some(within)
}
