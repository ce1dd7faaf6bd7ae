//! AVX-512 VNNI: four bytes of 16 columns in one instruction, those that go in unsigned.

#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m512i, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512,
    _mm512_storeu_si512,
};

use super::super::tile::{COLUMNS, HIGH, WIDE};
use super::DEPTH;
use super::sums::{Sums, plain};

/// Whether the processor has them.
pub fn has() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni")
}

/// As [`plain`].
#[target_feature(enable = "avx512f,avx512vnni")]
pub fn tile(small: &[u8], weight: &[i8], shape: [usize; 2]) -> Sums {
    macro_rules! of {
        ($($rows:literal, $blocks:literal);*) => {
            match shape {
                $([$rows, $blocks] => sums::<$rows, $blocks>(small, weight),)*
                _ => plain(small, weight, shape),
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
