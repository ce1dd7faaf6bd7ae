//! Quantisation of input rows.

use std::ops::Range;

use rayon::prelude::*;

use super::DEPTH;
use super::sums::{IntegerTile, byte_sums, word_sums};
use crate::pointwise::ROUND;
use crate::simd::{CHUNK, max_abs, sum_by, vectorized};

/// Largest number of outliers of a row.
const MAX_OUTLIERS: usize = 32;
/// Integer that the mean of a row's absolute values maps to, at least.
const MEAN_STEPS: f32 = 25.0;
/// Multiple of this mean from which on a value is an outlier in 16 bits: as large as the sums leave room for, and never
/// reached by most networks.
const WORD_OUTLIER: f32 = 40.0;

/// Integer format of input values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// 8 bits with an offset of 128; outliers stay floats.
    Bytes,
    /// 16 bits, of which as many are used as sums in 32 bits allow.
    Words,
}

/// Input rows as integers, with a scale for each row.
pub struct QuantizedRows {
    values: Integers,
    /// Values of a row, padded to a multiple of [`DEPTH`].
    wide: usize,
    /// Float value of the integer 1 in each row.
    pub scales: Vec<f32>,
    /// Positions and values of the outliers of each row.
    pub outliers: Vec<Vec<(usize, f32)>>,
}

/// `[rows, wide]`
enum Integers {
    Bytes(Vec<u8>),
    Words(Vec<i16>),
}

impl RowFormat {
    /// Format that this processor multiplies fastest.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if super::vnni::is_supported() {
            return Self::Bytes;
        }
        Self::Words
    }

    /// Largest integer of the format, and the multiple of a row's mean absolute value from which on a value is an outlier.
    fn limits(self, input: usize) -> (f32, f32) {
        match self {
            // About one in 15,000 normally distributed values is an outlier.
            Self::Bytes => (127.0, 127.0 / MEAN_STEPS),
            // The sums of products with 8-bit weights have to fit 32 bits.
            Self::Words => {
                let room = i32::MAX as usize / 127 / input.max(1);
                let most = room.min(i16::MAX as usize) as f32;
                (most, WORD_OUTLIER.min(most / MEAN_STEPS))
            }
        }
    }

    /// Offset that is added to each integer.
    pub fn offset(self) -> i32 {
        match self {
            Self::Bytes => 128,
            Self::Words => 0,
        }
    }
}

impl QuantizedRows {
    /// Quantises `x` `[rows, input]`.
    pub fn new(x: &[f32], input: usize, format: RowFormat) -> Self {
        let (count, wide) = (x.len() / input.max(1), input.div_ceil(DEPTH) * DEPTH);
        let (mut scales, mut outliers) = (vec![0.0; count], vec![Vec::new(); count]);
        let mut each = scales.iter_mut().zip(&mut outliers).collect::<Vec<_>>();
        let limits = format.limits(input);
        let values = match format {
            RowFormat::Bytes => Integers::Bytes(quantize_rows(
                (x, input),
                wide,
                &mut each,
                limits,
                #[inline(always)]
                |bits| bits.to_le_bytes()[0] ^ 0x80,
            )),
            RowFormat::Words => Integers::Words(quantize_rows(
                (x, input),
                wide,
                &mut each,
                limits,
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

    /// Integer sums of some rows with a weight `[blocks, input / 4, 16, 4]`.
    pub fn sums(&self, rows: Range<usize>, weight: &[i8], blocks: usize) -> IntegerTile {
        let (shape, at) = ([rows.len(), blocks], rows.start * self.wide..rows.end * self.wide);
        match &self.values {
            Integers::Bytes(values) => byte_sums(&values[at], weight, shape),
            Integers::Words(values) => word_sums(&values[at], weight, shape),
        }
    }
}

/// Integers `[rows, wide]` of `x` `[rows, input]`, computed by several threads where there are many. `cast` makes an
/// integer of the low end of its argument's bits.
fn quantize_rows<T: Copy + Send>(
    (x, input): (&[f32], usize),
    wide: usize,
    each: &mut [(&mut f32, &mut Vec<(usize, f32)>)],
    limits: (f32, f32),
    cast: impl Fn(u32) -> T + Sync,
) -> Vec<T> {
    let input = input.max(1);
    let chunk = (4 * CHUNK / input).max(1);
    let mut values = vec![cast(0); each.len() * wide];
    let run = |x: &[f32], values: &mut [T], each: &mut [(&mut f32, &mut Vec<(usize, f32)>)]| {
        vectorized(
            #[inline(always)]
            || {
                for (i, row) in x.chunks_exact(input).enumerate() {
                    let (scale, outliers) = &mut each[i];
                    **scale = quantize_row(row, &mut values[i * wide..][..wide], outliers, limits, &cast);
                }
            },
        );
    };
    if each.len() <= chunk {
        run(x, &mut values, each);
    } else {
        let parts = x.par_chunks(chunk * input).zip(values.par_chunks_mut(chunk * wide));
        parts.zip(each.par_chunks_mut(chunk)).for_each(|((x, values), each)| run(x, values, each));
    }
    values
}

/// Quantises a row except for its outliers; returns the float value of the integer 1.
#[inline(always)]
fn quantize_row<T>(
    row: &[f32],
    values: &mut [T],
    outliers: &mut Vec<(usize, f32)>,
    (steps, outlier): (f32, f32),
    cast: &impl Fn(u32) -> T,
) -> f32 {
    let mut most = max_abs(row);
    let total = sum_by(
        row,
        #[inline(always)]
        |x| x.abs(),
    );
    let mut threshold = outlier * total / row.len().max(1) as f32;
    if most > threshold {
        most = loop {
            match split_outliers(row, threshold, outliers) {
                Some(most) => break most,
                None => threshold *= 1.25,
            }
        };
    }
    let scale = if most > 0.0 { steps / most } else { 0.0 };
    for (value, x) in values.iter_mut().zip(row) {
        *value = cast((x * scale + ROUND).to_bits());
    }
    for (i, _) in &*outliers {
        values[*i] = cast(0);
    }
    // NaN or infinity in a row gives NaN.
    most / steps
        + sum_by(
            row,
            #[inline(always)]
            |x| x * 0.0,
        )
}

/// Collects the values above `threshold` and returns the largest of the others; `None` if there are too many.
#[inline(always)]
fn split_outliers(row: &[f32], threshold: f32, outliers: &mut Vec<(usize, f32)>) -> Option<f32> {
    const PART: usize = 32;
    outliers.clear();
    let mut within = 0.0_f32;
    for (part, values) in row.chunks(PART).enumerate() {
        let most = max_abs(values);
        if most <= threshold {
            within = within.max(most);
            continue;
        }
        for (i, x) in values.iter().enumerate() {
            if x.abs() > threshold {
                outliers.push((part * PART + i, *x));
            } else {
                within = within.max(x.abs());
            }
        }
        if outliers.len() > MAX_OUTLIERS {
            return None;
        }
    }
    Some(within)
}
