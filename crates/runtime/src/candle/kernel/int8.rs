//! Linear maps whose weights have 8 bits: a scale for each column of the weights, and for each row of what goes in
//! (Dettmers et al. 2022, "`LLM.int8()`", section 2.1). What goes in becomes words of 16 bits, or bytes where the
//! processor multiplies those faster; then a value that is far out, which would make the steps of all others coarse, goes
//! in as it is (section 3.2; here by row, for which values those are is not known before).

#[cfg(target_arch = "x86_64")]
mod avx2;
mod rows;
mod sums;
#[cfg(target_arch = "x86_64")]
mod vnni;

use std::ops::Range;

use rows::{Form, Rows};

use super::rows::largest;
use super::tile::{COLUMNS, Product, Tile};
use super::vectors::vectorized;

/// Values that lie side by side for each column.
const DEPTH: usize = 4;

/// What of this processor multiplies whole numbers.
pub fn instructions() -> &'static str {
    match Form::of_this_processor() {
        Form::Bytes => "AVX-512 VNNI",
        #[cfg(target_arch = "x86_64")]
        Form::Words if is_x86_feature_detected!("avx2") => "AVX2",
        Form::Words => "any instructions",
    }
}

/// Weights in 8 bits.
pub struct Quantized {
    input: usize,
    output: usize,
    /// `[output / 16, input / 4, 16, 4]`, filled up with zeros.
    weight: Vec<i8>,
    /// What 1 stands for in each column, `[output / 16, 16]`.
    scales: Vec<[f32; COLUMNS]>,
    /// What the sums of each column are too large by.
    offsets: Vec<[i32; COLUMNS]>,
    form: Form,
}

impl Quantized {
    /// Widest input whose sums 32 bits hold: 255 times 127 for each value.
    pub const WIDEST: usize = 1 << 16;

    /// Of a weight `[output, input]`.
    pub fn new(weight: &[f32], input: usize) -> Self {
        Self::by(Form::of_this_processor(), weight, input)
    }

    fn by(form: Form, weight: &[f32], input: usize) -> Self {
        let output = weight.len() / input.max(1);
        let (deep, blocks) = (input.div_ceil(DEPTH), output.div_ceil(COLUMNS));
        let mut this = Self {
            input,
            output,
            weight: vec![0; blocks * deep * COLUMNS * DEPTH],
            scales: vec![[0.0; COLUMNS]; blocks],
            offsets: vec![[0; COLUMNS]; blocks],
            form,
        };
        for (at, values) in weight.chunks_exact(input.max(1)).enumerate() {
            let (block, column) = (at / COLUMNS, at % COLUMNS);
            let scale = largest(values) / 127.0;
            this.scales[block][column] = scale;
            for (i, value) in values.iter().enumerate() {
                // Within 127 by its scale.
                #[allow(clippy::cast_possible_truncation)]
                let small = if scale > 0.0 { (value / scale).round() as i8 } else { 0 };
                let four = (block * deep + i / DEPTH) * COLUMNS + column;
                this.weight[four * DEPTH + i % DEPTH] = small;
                this.offsets[block][column] += form.added() * i32::from(small);
            }
        }
        this
    }

    /// The product with rows, which are made 8 bits first.
    pub fn times(&self, x: &[f32]) -> impl Product {
        Times { weight: self, rows: Rows::new(x, self.input, self.form) }
    }

    /// Adds the products of value `i` to what a block's columns are.
    #[inline(always)]
    fn add(&self, block: usize, i: usize, x: f32, out: &mut [f32; COLUMNS]) {
        let deep = self.input.div_ceil(DEPTH);
        let weight = &self.weight[(block * deep + i / DEPTH) * COLUMNS * DEPTH..][..COLUMNS * DEPTH];
        // As an instruction for all columns: the byte goes to the top and back.
        let shift = 8 * (DEPTH - 1 - i % DEPTH);
        let each = weight.as_chunks::<DEPTH>().0.iter().zip(&self.scales[block]);
        for (out, (four, scale)) in out.iter_mut().zip(each) {
            let bits = i32::from_le_bytes(four.map(i8::cast_unsigned));
            *out += x * scale * (bits << shift >> 24) as f32;
        }
    }
}

/// Rows in 8 bits beside the weights.
struct Times<'a> {
    weight: &'a Quantized,
    rows: Rows,
}

impl Product for Times<'_> {
    fn rows(&self) -> usize {
        self.rows.count()
    }

    fn input(&self) -> usize {
        self.weight.input
    }

    fn output(&self) -> usize {
        self.weight.output
    }

    fn tile(&self, rows: Range<usize>, blocks: Range<usize>, out: &mut Tile) {
        let own = self.weight;
        let wide = own.input.div_ceil(DEPTH) * DEPTH * COLUMNS;
        let weight = &own.weight[blocks.start * wide..blocks.end * wide];
        let sums = self.rows.sums(rows.clone(), weight, blocks.len());
        vectorized(
            #[inline(always)]
            || {
                for ((row, out), sums) in rows.clone().zip(out.iter_mut()).zip(&sums) {
                    let (row_scale, outliers) = (self.rows.scales[row], &self.rows.outliers[row]);
                    for ((block, out), sums) in blocks.clone().zip(out).zip(sums) {
                        // Here, where nothing else can point at them.
                        let mut values = [0.0; COLUMNS];
                        let each = sums.iter().zip(&own.offsets[block]).zip(&own.scales[block]);
                        for (value, ((sum, offset), scale)) in values.iter_mut().zip(each) {
                            *value = (sum - offset) as f32 * (row_scale * scale);
                        }
                        for &(i, x) in outliers {
                            own.add(block, i, x, &mut values);
                        }
                        *out = values;
                    }
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::tile::product;
    use super::*;

    fn values(count: usize, seed: u32) -> Vec<f32> {
        (0..count).map(|i| ((i as f32 + 1.0) * 12.9898 + seed as f32).sin() * 3.0).collect()
    }

    /// The product of the rounded weights, exactly.
    fn exact(weight: &Quantized, x: &[f32], column: usize) -> f32 {
        let small = weight.weight.chunks_exact(weight.input.div_ceil(DEPTH) * COLUMNS * DEPTH);
        let small = small.skip(column / COLUMNS).flatten().collect::<Vec<_>>();
        let place = |i: usize| (i / DEPTH * COLUMNS + column % COLUMNS) * DEPTH + i % DEPTH;
        let scale = weight.scales[column / COLUMNS][column % COLUMNS];
        x.iter().enumerate().map(|(i, x)| x * scale * f32::from(*small[place(i)])).sum()
    }

    #[test]
    fn products_are_within_half_a_step_of_the_exact_ones() {
        for (form, steps) in [(Form::Bytes, 127.0), (Form::Words, 30_000.0)] {
            for (rows, input, output) in [(1, 1, 1), (2, 5, 17), (7, 64, 48), (13, 130, 65), (6, 33, 64)] {
                let (x, weight) = (values(rows * input, 1), values(output * input, 7));
                let quantized = Quantized::by(form, &weight, input);
                let mut found = vec![0.0; rows * output];
                product(&quantized.times(&x), &mut found);
                for (at, found) in found.iter().enumerate() {
                    let (row, column) = (at / output, at % output);
                    let (x, w) = (&x[row * input..][..input], &weight[column * input..][..input]);
                    let (a, b) = (largest(x), largest(w));
                    let off = (found - exact(&quantized, x, column)).abs();
                    // Half a step for each value.
                    let allowed = a * b * input as f32 * (0.5 / steps + 1e-6);
                    assert!(off <= allowed, "{form:?} {at}: off by {off}");
                    let true_one: f32 = x.iter().zip(w).map(|(x, w)| x * w).sum();
                    assert!((found - true_one).abs() <= a * b * input as f32 / 127.0);
                }
            }
        }
    }

    #[test]
    fn the_widest_and_largest_rows_do_not_overflow() {
        for form in [Form::Bytes, Form::Words] {
            let quantized = Quantized::by(form, &vec![-3.0; Quantized::WIDEST], Quantized::WIDEST);
            let mut found = [0.0];
            product(&quantized.times(&vec![2.0; Quantized::WIDEST]), &mut found);
            let exact = -6.0 * Quantized::WIDEST as f32;
            assert!((found[0] / exact - 1.0).abs() < 1e-5, "{form:?}: {}, exactly {exact}", found[0]);
        }
    }

    #[test]
    fn a_value_far_out_leaves_the_others_their_steps() {
        let (input, output) = (256, 40);
        let mut plain = 0.0;
        for form in [Form::Bytes, Form::Words] {
            let (mut x, weight) = (values(input, 1), values(output * input, 7));
            let quantized = Quantized::by(form, &weight, input);
            let off = |x: &[f32]| -> f32 {
                let mut found = vec![0.0; output];
                product(&quantized.times(x), &mut found);
                let off = |(column, found): (usize, &f32)| (found - exact(&quantized, x, column)).abs();
                found.iter().enumerate().map(off).fold(0.0, f32::max)
            };
            if form == Form::Bytes {
                plain = off(&x);
            }
            let times = if form == Form::Bytes { 1.0 } else { 100.0 };
            for (i, far) in [(0, 900.0 * times), (77, -500.0 * times), (255, 100.0)] {
                x[i] = far;
            }
            assert!(off(&x) < 2.0 * plain, "{form:?}: {} with three far out, {plain} without", off(&x));
        }
    }

    #[test]
    fn rows_of_zeros_stay_zeros_and_what_is_no_number_stays_none() {
        for form in [Form::Bytes, Form::Words] {
            let quantized = Quantized::by(form, &[0.0; 12], 4);
            let mut out = vec![1.0; 6];
            product(&quantized.times(&[0.0; 8]), &mut out);
            assert_eq!(out, [0.0; 6]);
            product(&quantized.times(&[0.0, f32::NAN, 0.0, 0.0, 1.0, f32::INFINITY, 0.0, 0.0]), &mut out);
            assert!(out.iter().all(|x| x.is_nan()), "{out:?}");
        }
    }
}
