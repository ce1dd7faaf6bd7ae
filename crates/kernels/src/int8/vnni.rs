//! AVX-512 VNNI: one instruction multiplies and adds four bytes for 16 columns; the inputs are unsigned.

#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m512i, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512,
    _mm512_storeu_si512,
};

use super::DEPTH;
use super::sums::{IntegerTile, plain_sums};
use crate::matmul::{BLOCK_COLUMNS, TILE_BLOCKS, TILE_ROWS};

/// `true` if the processor has these instructions.
pub fn is_supported() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni")
}

/// Sums of a tile, as [`plain_sums`] computes them.
#[target_feature(enable = "avx512f,avx512vnni")]
pub fn tile(inputs: &[u8], weight: &[i8], shape: [usize; 2]) -> IntegerTile {
    macro_rules! of {
        ($($rows:literal, $blocks:literal);*) => {
            match shape {
                $([$rows, $blocks] => sums::<$rows, $blocks>(inputs, weight),)*
                _ => plain_sums(inputs, weight, shape),
            }
        };
    }
    of!(1, 1; 2, 1; 3, 1; 4, 1; 5, 1; 6, 1; 1, 2; 2, 2; 3, 2; 4, 2; 5, 2; 6, 2;
        1, 3; 2, 3; 3, 3; 4, 3; 5, 3; 6, 3; 1, 4; 2, 4; 3, 4; 4, 4; 5, 4; 6, 4)
}

/// Sums of `ROWS` rows and `BLOCKS` blocks, all of them in registers.
#[target_feature(enable = "avx512f,avx512vnni")]
fn sums<const ROWS: usize, const BLOCKS: usize>(inputs: &[u8], weight: &[i8]) -> IntegerTile {
    let rows: [&[[u8; DEPTH]]; ROWS] = std::array::from_fn(|row| {
        let wide = inputs.len() / ROWS;
        inputs[row * wide..(row + 1) * wide].as_chunks().0
    });
    let blocks: [&[[i8; BLOCK_COLUMNS * DEPTH]]; BLOCKS] = std::array::from_fn(|block| {
        let wide = weight.len() / BLOCKS;
        weight[block * wide..(block + 1) * wide].as_chunks().0
    });
    let depth = blocks[0].len();
    assert!(rows.iter().all(|row| row.len() == depth), "rows as depth as the weights");
    let mut sums = [[_mm512_setzero_si512(); BLOCKS]; ROWS];
    for i in 0..depth {
        // SAFETY: `i` is below `depth`, which is the length of every block and every row; a block has
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
    let mut out = IntegerTile::default();
    const { assert!(ROWS <= TILE_ROWS && BLOCKS <= TILE_BLOCKS) };
    for (out, sums) in out.iter_mut().zip(&sums) {
        for (out, sum) in out.iter_mut().zip(sums) {
            // SAFETY: 16 sums of 4 bytes; an unaligned store may begin anywhere.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), *sum) };
        }
    }
    out
}
