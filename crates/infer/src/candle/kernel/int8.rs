//! Linear maps in 8 bits: a scale for each column of the weights, and for each row of what goes in
//! (Dettmers et al. 2022, "`LLM.int8()`", section 2.1). A value that is far out, which would make the steps of all
//! others coarse, goes in as it is (section 3.2; here by row, for which values those are is not known before).

use std::ops::Range;

use super::rows::{ROUND, most, sum};
use super::tile::{COLUMNS, HIGH, Product, Tile, WIDE};

/// Values that one instruction multiplies and adds up for each column.
const DEPTH: usize = 4;

/// Times the mean of a row's absolute values: what is larger is far out. Of normal values one in 15,000 is.
const FAR: f32 = 5.0;
/// Values far out of a row at most.
const OUTLIERS: usize = 32;

/// Sums of a tile, row by row.
type Sums = [Row; HIGH];
/// Those of one row, block by block.
type Row = [[i32; COLUMNS]; WIDE];

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
    instructions: Instructions,
}

/// What of a processor multiplies and adds up bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instructions {
    /// AVX-512 VNNI: four bytes of 16 columns at once.
    Vnni,
    /// AVX2: bytes become 16 bits first.
    Avx2,
    /// Any.
    Plain,
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
            instructions: Instructions::of_this_processor(),
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
        let (mut scales, mut outliers) = (vec![0.0; rows], vec![Vec::new(); rows]);
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                let each = x.chunks_exact(self.input).zip(small.chunks_exact_mut(deep));
                each.zip(scales.iter_mut().zip(&mut outliers)).for_each(
                    #[inline(always)]
                    |((row, small), (scale, outliers))| *scale = quantize(row, small, outliers),
                );
            },
        );
        Times { weight: self, small, scales, outliers }
    }

    /// Adds the products of value `i` to what a block's columns are.
    fn add(&self, block: usize, i: usize, x: f32, out: &mut [f32; COLUMNS]) {
        let deep = self.input.div_ceil(DEPTH);
        let weight = &self.weight[(block * deep + i / DEPTH) * COLUMNS * DEPTH..][..COLUMNS * DEPTH];
        let scales = &self.scales[block * COLUMNS..];
        // As an instruction for all columns: the byte goes to the top and back.
        let shift = 8 * (DEPTH - 1 - i % DEPTH);
        for ((out, four), scale) in out.iter_mut().zip(weight.as_chunks::<DEPTH>().0).zip(scales) {
            let bits = i32::from_le_bytes(four.map(i8::cast_unsigned));
            *out += x * scale * (bits << shift >> 24) as f32;
        }
    }

    #[allow(unsafe_code)]
    fn tile(&self, small: &[u8], weight: &[i8], shape: [usize; 2]) -> Sums {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `of_this_processor` says that it has them.
        match self.instructions {
            Instructions::Vnni => return unsafe { x86::tile(small, weight, shape) },
            Instructions::Avx2 => return unsafe { avx2::tile(small, weight, shape) },
            Instructions::Plain => {}
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
    /// Places and values that are far out in each row.
    outliers: Vec<Vec<(usize, f32)>>,
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
                for &(i, x) in &self.outliers[row] {
                    own.add(block, i, x, out);
                }
            }
        }
    }
}

impl Instructions {
    fn of_this_processor() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
                return Self::Vnni;
            }
            if is_x86_feature_detected!("avx2") {
                return Self::Avx2;
            }
        }
        Self::Plain
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

/// A row in 8 bits with 128 added, but for what is far out; returns what 1 stands for.
#[inline(always)]
fn quantize(row: &[f32], small: &mut [u8], outliers: &mut Vec<(usize, f32)>) -> f32 {
    let mut most = largest(row);
    let total = sum(
        row,
        #[inline(always)]
        |x| x.abs(),
    );
    let mut far = FAR * total / row.len().max(1) as f32;
    if most > far {
        while row.iter().filter(|x| x.abs() > far).count() > OUTLIERS {
            far *= 1.25;
        }
        outliers.extend(row.iter().copied().enumerate().filter(|(_, x)| x.abs() > far));
        most = row.iter().map(|x| x.abs()).filter(|x| *x <= far).fold(0.0, f32::max);
    }
    let scale = if most > 0.0 { 127.0 / most } else { 0.0 };
    for (small, x) in small.iter_mut().zip(row) {
        *small = (x * scale + ROUND).to_bits().to_le_bytes()[0] ^ 0x80;
    }
    for (i, _) in &*outliers {
        small[*i] = 0x80;
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

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m128i, __m256i, _mm_set1_epi32, _mm256_add_epi32, _mm256_cvtepi8_epi16, _mm256_cvtepu8_epi16,
        _mm256_madd_epi16, _mm256_setzero_si256,
    };

    use super::{COLUMNS, DEPTH, Sums};

    /// Rows whose sums fit in registers beside a block.
    const ROWS: usize = 3;
    /// Vectors of a block: four columns in each.
    const PARTS: usize = 4;
    /// Bytes of a vector before they become 16 bits each.
    const PART: usize = 16;

    /// As [`super::plain`].
    #[target_feature(enable = "avx2")]
    pub fn tile(small: &[u8], weight: &[i8], [rows, blocks]: [usize; 2]) -> Sums {
        let mut out = Sums::default();
        let (deep, wide) = (small.len() / rows, weight.len() / blocks);
        for (first, small) in small.chunks(ROWS * deep).enumerate() {
            for (block, weight) in weight.chunks_exact(wide).enumerate() {
                let out = &mut out[first * ROWS..];
                match small.len() / deep {
                    1 => sums::<1>(small, weight, out, block),
                    2 => sums::<2>(small, weight, out, block),
                    _ => sums::<3>(small, weight, out, block),
                }
            }
        }
        out
    }

    /// The first `N` rows of one block.
    #[target_feature(enable = "avx2")]
    fn sums<const N: usize>(small: &[u8], weight: &[i8], out: &mut [super::Row], block: usize) {
        let deep = small.len() / N;
        let rows: [&[[u8; DEPTH]]; N] =
            std::array::from_fn(|row| small[row * deep..(row + 1) * deep].as_chunks().0);
        // Of each column the sums of the first and of the last two values of each four.
        let mut sums = [[_mm256_setzero_si256(); PARTS]; N];
        for (i, weight) in weight.as_chunks::<{ COLUMNS * DEPTH }>().0.iter().enumerate() {
            let x: [__m256i; N] = std::array::from_fn(|row| {
                _mm256_cvtepu8_epi16(_mm_set1_epi32(i32::from_le_bytes(rows[row][i])))
            });
            for (part, weight) in weight.as_chunks::<PART>().0.iter().enumerate() {
                let weight = _mm256_cvtepi8_epi16(pulp::cast::<[i8; PART], __m128i>(*weight));
                for (sums, x) in sums.iter_mut().zip(&x) {
                    sums[part] = _mm256_add_epi32(sums[part], _mm256_madd_epi16(*x, weight));
                }
            }
        }
        for (out, sums) in out.iter_mut().zip(&sums) {
            for (out, sums) in out[block].chunks_exact_mut(COLUMNS / PARTS).zip(sums) {
                let halves = pulp::cast::<__m256i, [[i32; 2]; COLUMNS / PARTS]>(*sums);
                out.iter_mut().zip(halves).for_each(|(out, [a, b])| *out = a + b);
            }
        }
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
            let mut others = vec![Instructions::Plain];
            if Instructions::of_this_processor() != Instructions::Plain {
                // What has VNNI has AVX2.
                others.push(Instructions::Avx2);
            }
            let mut quantized = quantized;
            for instructions in others {
                let mut other = vec![0.0; rows * output];
                quantized.instructions = instructions;
                product(&quantized.times(&x), &mut other);
                assert_eq!(found, other, "{rows} {input} {output} by {instructions:?}");
            }
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
    fn a_value_far_out_leaves_the_others_their_steps() {
        let (input, output) = (256, 40);
        let (mut x, weight) = (values(input, 1), values(output * input, 7));
        let quantized = Quantized::new(&weight, input);
        let off = |x: &[f32]| -> f32 {
            let mut found = vec![0.0; output];
            product(&quantized.times(x), &mut found);
            let exact = |column: usize| -> f32 {
                // With the weights as they are kept: what is left comes from the values.
                let scale = quantized.scales[column];
                let each = x.iter().zip(&weight[column * input..]);
                each.map(|(x, w)| x * (w / scale).round() * scale).sum()
            };
            found.iter().enumerate().map(|(column, found)| (found - exact(column)).abs()).fold(0.0, f32::max)
        };
        let plain = off(&x);
        for (i, far) in [(0, 900.0), (77, -500.0), (255, 100.0)] {
            x[i] = far;
        }
        assert!(off(&x) < 2.0 * plain + 1e-3, "{} with three far out, {plain} without", off(&x));
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
