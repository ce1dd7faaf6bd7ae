//! AVX2: one instruction multiplies 16-bit integers and adds pairs of products for eight columns; bytes of weights are
//! widened first.

#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m128i, __m256i, _mm256_add_epi32, _mm256_cvtepi8_epi16, _mm256_madd_epi16, _mm256_set1_epi64x,
    _mm256_setzero_si256,
};

use super::DEPTH;
use super::sums::IntegerTile;
use crate::matmul::{BLOCK_COLUMNS, TILE_ROWS};

/// Vectors of a block, four columns each.
const PARTS: usize = 4;
/// Weights of a vector, in bytes.
const PART: usize = 16;

/// Sums of a tile, as [`super::sums::plain_sums`] computes them.
#[target_feature(enable = "avx2")]
pub fn tile(inputs: &[i16], weight: &[i8], [rows, blocks]: [usize; 2]) -> IntegerTile {
    // The number of sums at once is limited by the registers, which hold the factors as well.
    macro_rules! of {
        ($weight:ident, $out:ident, $($rows:literal by $parts:literal),*) => {
            match rows {
                $($rows => sums::<$rows, $parts>(inputs, $weight, $out),)*
                _ => {}
            }
        };
    }
    const { assert!(TILE_ROWS == 6, "each number of rows has its arm") };
    let mut out = IntegerTile::default();
    for (block, weight) in weight.chunks_exact(weight.len() / blocks).enumerate() {
        let out = &mut out.each_mut().map(|row| &mut row[block]);
        of!(weight, out, 1 by 4, 2 by 4, 3 by 4, 4 by 2, 5 by 2, 6 by 2);
    }
    out
}

/// Sums of `N` rows and one block, `AT_ONCE` of its vectors at a time.
#[target_feature(enable = "avx2")]
fn sums<const N: usize, const AT_ONCE: usize>(
    inputs: &[i16],
    weight: &[i8],
    out: &mut [&mut [i32; BLOCK_COLUMNS]; TILE_ROWS],
) {
    let wide = inputs.len() / N;
    let rows: [&[[i16; DEPTH]]; N] =
        std::array::from_fn(|row| inputs[row * wide..(row + 1) * wide].as_chunks().0);
    let weight = weight.as_chunks::<{ BLOCK_COLUMNS * DEPTH }>().0;
    assert!(rows.iter().all(|row| row.len() == weight.len()), "rows as deep as the weights");
    for first in (0..PARTS).step_by(AT_ONCE) {
        // Two sums for each column: of the first two and of the last two values of each four.
        let mut sums = [[_mm256_setzero_si256(); AT_ONCE]; N];
        for (i, weight) in weight.iter().enumerate() {
            let parts = &weight.as_chunks::<PART>().0[first..first + AT_ONCE];
            let parts: [__m256i; AT_ONCE] = std::array::from_fn(|part| {
                _mm256_cvtepi8_epi16(pulp::cast::<[i8; PART], __m128i>(parts[part]))
            });
            for (sums, row) in sums.iter_mut().zip(&rows) {
                // SAFETY: every row has as many fours as the weight.
                let four = unsafe { *row.get_unchecked(i) };
                let four = _mm256_set1_epi64x(pulp::cast::<[i16; DEPTH], i64>(four));
                for (sum, part) in sums.iter_mut().zip(&parts) {
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(four, *part));
                }
            }
        }
        for (out, sums) in out.iter_mut().zip(&sums) {
            let columns = out.chunks_exact_mut(BLOCK_COLUMNS / PARTS).skip(first);
            for (out, sums) in columns.zip(sums) {
                let halves = pulp::cast::<__m256i, [[i32; 2]; BLOCK_COLUMNS / PARTS]>(*sums);
                out.iter_mut().zip(halves).for_each(|(out, [a, b])| *out = a + b);
            }
        }
    }
}
