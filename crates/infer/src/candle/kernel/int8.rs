//! Linear maps in 8 bits: a scale for each column of the weights, and for each row of what goes in
//! (Dettmers et al. 2022, "`LLM.int8()`", section 2.1, without its outliers).

use std::ops::Range;

use super::rows::{ROUND, most, sum};
use super::tile::{COLUMNS, HIGH, Product, Tile, WIDE};

/// Values that one instruction multiplies and adds up for each column.
const DEPTH: usize = 4;

/// Sums of a tile, row by row.
type Sums = [[[i32; COLUMNS]; WIDE]; HIGH];

/// Weights in 8 bits.
pub struct Quantized {
    input: usize,
    output: usize,
    /// `[output / 16, input / 4, 16, 4]`, filled up with zeros.
    weight: Vec<i8>,
    /// What 1 stands for in each column.
    scales: Vec<f32>,
    /// 128 times the sum of each column: values go in with 128 added, as the instruction wants them unsigned.
    offsets: Vec<i32>,
    instructions: bool,
}

impl Quantized {
    /// Widest input whose sums 32 bits hold: 255 times 127 for each value.
    pub const WIDEST: usize = 1 << 16;

    /// Of a weight `[output, input]`.
    pub fn new(weight: &[f32], input: usize) -> Self {
        let output = weight.len() / input.max(1);
        let (deep, blocks) = (input.div_ceil(DEPTH), output.div_ceil(COLUMNS));
        let mut this = Self {
            input,
            output,
            weight: vec![0; blocks * deep * COLUMNS * DEPTH],
            scales: vec![0.0; blocks * COLUMNS],
            offsets: vec![0; blocks * COLUMNS],
            instructions: instructions(),
        };
        for (column, values) in weight.chunks_exact(input.max(1)).enumerate() {
            let scale = largest(values) / 127.0;
            this.scales[column] = scale;
            for (i, value) in values.iter().enumerate() {
                // Within 127 by its scale.
                #[allow(clippy::cast_possible_truncation)]
                let small = if scale > 0.0 { (value / scale).round() as i8 } else { 0 };
                let block = (column / COLUMNS * deep + i / DEPTH) * COLUMNS + column % COLUMNS;
                this.weight[block * DEPTH + i % DEPTH] = small;
                this.offsets[column] += 128 * i32::from(small);
            }
        }
        this
    }

    /// The product with rows, which are made 8 bits first.
    pub fn times(&self, x: &[f32]) -> impl Product {
        let rows = x.len() / self.input.max(1);
        let deep = self.input.div_ceil(DEPTH) * DEPTH;
        let mut small = vec![128; rows * deep];
        let mut scales = vec![0.0; rows];
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                let each = x.chunks_exact(self.input).zip(small.chunks_exact_mut(deep)).zip(&mut scales);
                each.for_each(|((row, small), scale)| *scale = quantize(row, small));
            },
        );
        Times { weight: self, small, scales }
    }

    #[allow(unsafe_code)]
    fn tile(&self, small: &[u8], weight: &[i8], shape: [usize; 2]) -> Sums {
        #[cfg(target_arch = "x86_64")]
        if self.instructions {
            // SAFETY: `instructions` says that the processor has them.
            return unsafe { x86::tile(small, weight, shape) };
        }
        plain(small, weight, shape)
    }
}

/// Rows in 8 bits beside the weights.
struct Times<'a> {
    weight: &'a Quantized,
    /// `[rows, input / 4, 4]`
    small: Vec<u8>,
    /// What 1 stands for in each row.
    scales: Vec<f32>,
}

impl Product for Times<'_> {
    fn rows(&self) -> usize {
        self.scales.len()
    }

    fn input(&self) -> usize {
        self.weight.input
    }

    fn output(&self) -> usize {
        self.weight.output
    }

    fn tile(&self, rows: Range<usize>, blocks: Range<usize>, out: &mut Tile) {
        let (own, deep) = (self.weight, self.weight.input.div_ceil(DEPTH) * DEPTH);
        let small = &self.small[rows.start * deep..rows.end * deep];
        let weight = &own.weight[blocks.start * deep * COLUMNS..blocks.end * deep * COLUMNS];
        let sums = own.tile(small, weight, [rows.len(), blocks.len()]);
        for ((row, out), sums) in rows.zip(out).zip(&sums) {
            for ((block, out), sums) in blocks.clone().zip(out).zip(sums) {
                let at = block * COLUMNS..(block + 1) * COLUMNS;
                let each = sums.iter().zip(&own.offsets[at.clone()]).zip(&own.scales[at]);
                for (out, ((sum, offset), scale)) in out.iter_mut().zip(each) {
                    *out = (sum - offset) as f32 * (self.scales[row] * scale);
                }
            }
        }
    }
}

/// Whether the processor multiplies and adds up bytes (AVX-512 VNNI).
fn instructions() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// The largest absolute value.
#[inline(always)]
fn largest(values: &[f32]) -> f32 {
    most(
        values,
        0.0,
        #[inline(always)]
        |x| x.abs(),
    )
}

/// A row in 8 bits with 128 added; returns what 1 stands for.
#[inline(always)]
fn quantize(row: &[f32], small: &mut [u8]) -> f32 {
    let most = largest(row);
    let scale = if most > 0.0 { 127.0 / most } else { 0.0 };
    for (small, x) in small.iter_mut().zip(row) {
        *small = (x * scale + ROUND).to_bits().to_le_bytes()[0] ^ 0x80;
    }
    // A row with a value that is no number gives none.
    most / 127.0
        + sum(
            row,
            #[inline(always)]
            |x| x * 0.0,
        )
}

/// Sums of `small` `[rows, deep, 4]` and `weight` `[blocks, deep, 16, 4]`, by any processor.
fn plain(small: &[u8], weight: &[i8], [rows, blocks]: [usize; 2]) -> Sums {
    let mut sums = Sums::default();
    for (sums, small) in sums.iter_mut().zip(small.chunks_exact(small.len() / rows)) {
        for (sums, weight) in sums.iter_mut().zip(weight.chunks_exact(weight.len() / blocks)) {
            let (small, weight) = (small.as_chunks::<DEPTH>().0, weight.as_chunks::<{ COLUMNS * DEPTH }>().0);
            for (small, weight) in small.iter().zip(weight) {
                for (sum, weight) in sums.iter_mut().zip(weight.as_chunks::<DEPTH>().0) {
                    let each = small.iter().zip(weight).map(|(x, w)| i32::from(*x) * i32::from(*w));
                    *sum += each.sum::<i32>();
                }
            }
        }
    }
    sums
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use std::arch::x86_64::{
        __m512i, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512,
        _mm512_storeu_si512,
    };

    use super::{COLUMNS, DEPTH, HIGH, Sums, WIDE};

    /// As [`super::plain`].
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub fn tile(small: &[u8], weight: &[i8], shape: [usize; 2]) -> Sums {
        macro_rules! of {
            ($($rows:literal, $blocks:literal);*) => {
                match shape {
                    $([$rows, $blocks] => sums::<$rows, $blocks>(small, weight),)*
                    _ => super::plain(small, weight, shape),
                }
            };
        }
        of!(1, 1; 2, 1; 3, 1; 4, 1; 5, 1; 6, 1; 1, 2; 2, 2; 3, 2; 4, 2; 5, 2; 6, 2;
            1, 3; 2, 3; 3, 3; 4, 3; 5, 3; 6, 3; 1, 4; 2, 4; 3, 4; 4, 4; 5, 4; 6, 4)
    }

    /// Sums that stay in registers: `ROWS * BLOCKS` of them.
    #[target_feature(enable = "avx512f,avx512vnni")]
    fn sums<const ROWS: usize, const BLOCKS: usize>(small: &[u8], weight: &[i8]) -> Sums {
        let rows: [&[[u8; DEPTH]]; ROWS] = std::array::from_fn(|row| {
            let wide = small.len() / ROWS;
            small[row * wide..(row + 1) * wide].as_chunks().0
        });
        let blocks: [&[[i8; COLUMNS * DEPTH]]; BLOCKS] = std::array::from_fn(|block| {
            let wide = weight.len() / BLOCKS;
            weight[block * wide..(block + 1) * wide].as_chunks().0
        });
        let deep = blocks[0].len();
        assert!(rows.iter().all(|row| row.len() == deep), "rows as deep as the weights");
        let mut sums = [[_mm512_setzero_si512(); BLOCKS]; ROWS];
        for i in 0..deep {
            // SAFETY: `i` is below `deep`, which is the length of every block and every row; a block has
            // 64 bytes, and an unaligned load may begin anywhere.
            let weights: [__m512i; BLOCKS] = std::array::from_fn(|block| unsafe {
                _mm512_loadu_si512(blocks[block].get_unchecked(i).as_ptr().cast())
            });
            for (sums, row) in sums.iter_mut().zip(&rows) {
                // SAFETY: as above.
                let four = i32::from_le_bytes(unsafe { *row.get_unchecked(i) });
                let four = _mm512_set1_epi32(four);
                for (sum, weight) in sums.iter_mut().zip(&weights) {
                    *sum = _mm512_dpbusd_epi32(*sum, four, *weight);
                }
            }
        }
        let mut out = Sums::default();
        const { assert!(ROWS <= HIGH && BLOCKS <= WIDE) };
        for (out, sums) in out.iter_mut().zip(&sums) {
            for (out, sum) in out.iter_mut().zip(sums) {
                // SAFETY: 16 sums of 4 bytes; an unaligned store may begin anywhere.
                unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), *sum) };
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::tile::product;
    use super::*;

    fn values(count: usize, seed: u32) -> Vec<f32> {
        (0..count).map(|i| ((i as f32 + 1.0) * 12.9898 + seed as f32).sin() * 3.0).collect()
    }

    #[test]
    fn instructions_and_plain_code_give_the_same_sums_near_the_exact_ones() {
        for (rows, input, output) in [(1, 1, 1), (2, 5, 17), (7, 64, 48), (13, 130, 65), (6, 33, 64)] {
            let (x, weight) = (values(rows * input, 1), values(output * input, 7));
            let quantized = Quantized::new(&weight, input);
            let mut found = vec![0.0; rows * output];
            product(&quantized.times(&x), &mut found);
            let mut plain = vec![0.0; rows * output];
            product(&Quantized { instructions: false, ..quantized }.times(&x), &mut plain);
            assert_eq!(found, plain, "{rows} {input} {output}");
            for (at, found) in found.iter().enumerate() {
                let (row, column) = (at / output, at % output);
                let (x, w) = (&x[row * input..][..input], &weight[column * input..][..input]);
                let exact: f32 = x.iter().zip(w).map(|(x, w)| x * w).sum();
                // Each factor is off by half a step at most.
                let (a, b) = (largest(x), largest(w));
                let allowed = a * b * input as f32 / 127.0;
                assert!((found - exact).abs() <= allowed, "{at}: {found}, exactly {exact}");
            }
        }
    }

    #[test]
    fn rows_of_zeros_stay_zeros_and_what_is_no_number_stays_none() {
        let quantized = Quantized::new(&[0.0; 12], 4);
        let mut out = vec![1.0; 6];
        product(&quantized.times(&[0.0; 8]), &mut out);
        assert_eq!(out, [0.0; 6]);
        product(&quantized.times(&[0.0, f32::NAN, 0.0, 0.0, 1.0, f32::INFINITY, 0.0, 0.0]), &mut out);
        assert!(out.iter().all(|x| x.is_nan()), "{out:?}");
    }
}
