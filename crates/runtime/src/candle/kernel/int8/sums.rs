//! Sums of products of small whole numbers, by whichever instructions the processor has.

use super::super::tile::{COLUMNS, HIGH, WIDE};
use super::DEPTH;

/// Sums of a tile, row by row.
pub type Sums = [Row; HIGH];
/// Those of one row, block by block.
type Row = [[i32; COLUMNS]; WIDE];

/// As [`plain`], of bytes.
#[allow(unsafe_code)]
pub fn of_bytes(small: &[u8], weight: &[i8], shape: [usize; 2]) -> Sums {
    #[cfg(target_arch = "x86_64")]
    if super::vnni::has() {
        // SAFETY: the processor has the instructions.
        return unsafe { super::vnni::tile(small, weight, shape) };
    }
    plain(small, weight, shape)
}

/// As [`plain`], of words.
#[allow(unsafe_code)]
pub fn of_words(small: &[i16], weight: &[i8], shape: [usize; 2]) -> Sums {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has the instructions.
        return unsafe { super::avx2::tile(small, weight, shape) };
    }
    plain(small, weight, shape)
}

/// Sums of `small` `[rows, deep, 4]` and `weight` `[blocks, deep, 16, 4]`, by any processor.
pub fn plain<T: Copy + Into<i32>>(small: &[T], weight: &[i8], [rows, blocks]: [usize; 2]) -> Sums {
    let mut sums = Sums::default();
    for (sums, small) in sums.iter_mut().zip(small.chunks_exact(small.len() / rows)) {
        for (sums, weight) in sums.iter_mut().zip(weight.chunks_exact(weight.len() / blocks)) {
            let (small, weight) = (small.as_chunks::<DEPTH>().0, weight.as_chunks::<{ COLUMNS * DEPTH }>().0);
            for (small, weight) in small.iter().zip(weight) {
                for (sum, weight) in sums.iter_mut().zip(weight.as_chunks::<DEPTH>().0) {
                    let each = small.iter().zip(weight).map(|(x, w)| (*x).into() * i32::from(*w));
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
    fn instructions_and_plain_code_give_the_same_sums() {
        // As far as words go, and up to a whole tile.
        let number = |i: usize| (i32::try_from(i).unwrap() * 7919 + 31) % 65_521 - 32_760;
        for deep in [1, 2, 13] {
            let words: Vec<i16> =
                (0..HIGH * deep * DEPTH).map(|i| i16::try_from(number(i)).unwrap()).collect();
            let bytes: Vec<u8> = words.iter().map(|x| x.to_le_bytes()[0]).collect();
            let weight = (0..WIDE * deep * COLUMNS * DEPTH).map(|i| (number(i * 3) % 128) as i8);
            let weight: Vec<i8> = weight.collect();
            for rows in 1..=HIGH {
                for blocks in 1..=WIDE {
                    let (wide, shape) = (rows * deep * DEPTH, [rows, blocks]);
                    let weight = &weight[..blocks * deep * COLUMNS * DEPTH];
                    let exact = plain(&words[..wide], weight, shape);
                    assert_eq!(of_words(&words[..wide], weight, shape), exact, "{deep} {shape:?}");
                    let exact = plain(&bytes[..wide], weight, shape);
                    assert_eq!(of_bytes(&bytes[..wide], weight, shape), exact, "{deep} {shape:?}");
                }
            }
        }
    }
}
