//! Integer sums of a tile, with the instructions that the processor has.

use super::DEPTH;
use crate::matmul::{BLOCK_COLUMNS, TILE_BLOCKS, TILE_ROWS};

/// Integer sums of a tile, `[TILE_ROWS, TILE_BLOCKS, BLOCK_COLUMNS]`.
pub type IntegerTile = [[[i32; BLOCK_COLUMNS]; TILE_BLOCKS]; TILE_ROWS];

/// Sums of inputs in bytes, as [`plain_sums`] computes them.
#[allow(unsafe_code)]
pub fn byte_sums(inputs: &[u8], weight: &[i8], shape: [usize; 2]) -> IntegerTile {
    #[cfg(target_arch = "x86_64")]
    if super::vnni::is_supported() {
        // SAFETY: the processor has the instructions.
        return unsafe { super::vnni::tile(inputs, weight, shape) };
    }
    plain_sums(inputs, weight, shape)
}

/// Sums of inputs in 16 bits, as [`plain_sums`] computes them.
#[allow(unsafe_code)]
pub fn word_sums(inputs: &[i16], weight: &[i8], shape: [usize; 2]) -> IntegerTile {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the instructions.
        return unsafe { super::avx2::tile(inputs, weight, shape) };
    }
    plain_sums(inputs, weight, shape)
}

/// Sums of `inputs` `[rows, depth, 4]` times `weight` `[blocks, depth, 16, 4]` in plain loops.
pub fn plain_sums<T: Copy + Into<i32>>(
    inputs: &[T],
    weight: &[i8],
    [rows, blocks]: [usize; 2],
) -> IntegerTile {
    let mut sums = IntegerTile::default();
    for (sums, inputs) in sums.iter_mut().zip(inputs.chunks_exact(inputs.len() / rows)) {
        for (sums, weight) in sums.iter_mut().zip(weight.chunks_exact(weight.len() / blocks)) {
            let (inputs, weight) =
                (inputs.as_chunks::<DEPTH>().0, weight.as_chunks::<{ BLOCK_COLUMNS * DEPTH }>().0);
            for (inputs, weight) in inputs.iter().zip(weight) {
                for (sum, weight) in sums.iter_mut().zip(weight.as_chunks::<DEPTH>().0) {
                    let each = inputs.iter().zip(weight).map(|(x, w)| (*x).into() * i32::from(*w));
                    *sum += each.sum::<i32>();
                }
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_and_plain_loops_give_the_same_sums() {
        // The full range of 16 bits, and tiles of every size.
        let number = |i: usize| (i32::try_from(i).unwrap() * 7919 + 31) % 65_521 - 32_760;
        for depth in [1, 2, 13] {
            let words: Vec<i16> =
                (0..TILE_ROWS * depth * DEPTH).map(|i| i16::try_from(number(i)).unwrap()).collect();
            let bytes: Vec<u8> = words.iter().map(|x| x.to_le_bytes()[0]).collect();
            let weight =
                (0..TILE_BLOCKS * depth * BLOCK_COLUMNS * DEPTH).map(|i| (number(i * 3) % 128) as i8);
            let weight: Vec<i8> = weight.collect();
            for rows in 1..=TILE_ROWS {
                for blocks in 1..=TILE_BLOCKS {
                    let (wide, shape) = (rows * depth * DEPTH, [rows, blocks]);
                    let weight = &weight[..blocks * depth * BLOCK_COLUMNS * DEPTH];
                    let exact = plain_sums(&words[..wide], weight, shape);
                    assert_eq!(word_sums(&words[..wide], weight, shape), exact, "{depth} {shape:?}");
                    let exact = plain_sums(&bytes[..wide], weight, shape);
                    assert_eq!(byte_sums(&bytes[..wide], weight, shape), exact, "{depth} {shape:?}");
                }
            }
        }
    }
}
