//! Scrambled Sobol sequence.

use super::{SampleRequest, Sampler};
use crate::numeric::DrawStream;
use crate::{ParamValues, TuneError};

/// Purpose of the draws of this sampler.
const PURPOSE: u64 = 3;

/// Primitive polynomials and initial direction numbers of Joe and Kuo (2008), as `SciPy` has them, from the second
/// dimension on. `scripts/golden/samplers.py` writes the file.
const DIRECTIONS: &str = include_str!("sobol/directions.txt");

/// Number of dimensions with direction numbers.
const DIMENSIONS: usize = 40;

/// Covers the space evenly: the Sobol sequence with a scramble of Owen's kind that depends on the seed (Burley 2020).
/// The number of the trial is the index in the sequence. Parameters beyond the fortieth are random.
#[derive(Debug, Clone, Copy, Default)]
pub struct SobolSampler;

impl Sampler for SobolSampler {
    #[allow(clippy::cast_possible_truncation)]
    fn sample(&self, request: &SampleRequest<'_>) -> Result<ParamValues, TuneError> {
        let mut stream = DrawStream::new(request.seed, PURPOSE, request.trial);
        let point = scrambled_point(request.seed, request.trial as u32, request.space.params().len());
        let mut values = ParamValues::new();
        for (place, (name, param)) in request.space.params().iter().enumerate() {
            let unit = point.get(place).copied().unwrap_or_else(|| stream.unit());
            if request.space.is_active(name, &values) {
                values.insert(name.clone(), param.distribution.from_unit(unit));
            }
        }
        Ok(values)
    }
}

/// Point of the scrambled sequence, with coordinates in `(0, 1)`; at most [`DIMENSIONS`] of them.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn scrambled_point(seed: u64, index: u32, width: usize) -> Vec<f64> {
    let scramble = |(dimension, bits): (usize, u32)| {
        let key = DrawStream::new(seed, PURPOSE, u64::MAX - dimension as u64).bits() as u32;
        (f64::from(owen_scramble(bits, key)) + 0.5) / (u64::from(u32::MAX) + 1) as f64
    };
    directions().take(width).map(|numbers| point_bits(&numbers, index)).enumerate().map(scramble).collect()
}

/// Direction numbers of each dimension.
fn directions() -> impl Iterator<Item = [u32; 32]> {
    let first = std::array::from_fn(|bit| 1 << (31 - bit));
    let others = DIRECTIONS.lines().map(|line| {
        let mut numbers = line.split_whitespace().map(|word| word.parse::<u32>().unwrap_or(1));
        let polynomial = numbers.next().unwrap_or(3);
        let degree = polynomial.ilog2() as usize;
        let mut directions = [0_u32; 32];
        for (bit, number) in numbers.enumerate().take(degree) {
            directions[bit] = number << (31 - bit);
        }
        // Bratley and Fox 1988, with the numbers already shifted to their places.
        for bit in degree..32 {
            let mut next = directions[bit - degree] ^ (directions[bit - degree] >> degree);
            for term in 1..degree {
                if polynomial >> (degree - term) & 1 == 1 {
                    next ^= directions[bit - term];
                }
            }
            directions[bit] = next;
        }
        directions
    });
    std::iter::once(first).chain(others).take(DIMENSIONS)
}

/// Coordinate of a point in the order of the Gray code, times 2^32.
fn point_bits(directions: &[u32; 32], index: u32) -> u32 {
    let gray = index ^ (index >> 1);
    (0..32).filter(|bit| gray >> bit & 1 == 1).fold(0, |bits, bit| bits ^ directions[bit])
}

/// Permutes the coordinate at each binary digit, depending on the digits above it (Burley 2020, listing 3).
fn owen_scramble(bits: u32, key: u32) -> u32 {
    let mut x = bits.reverse_bits();
    x = x.wrapping_add(key);
    x ^= x.wrapping_mul(0x6C50_B47C);
    x ^= x.wrapping_mul(0xB82F_1E52);
    x ^= x.wrapping_mul(0xC7AF_E638);
    x ^= x.wrapping_mul(0x8D22_F6E6);
    x.reverse_bits()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    #[test]
    fn points_equal_scipys() {
        for (index, expected) in (0..).zip(golden::columns(&golden::samplers()["sobol"])) {
            let found: Vec<f64> =
                directions().map(|numbers| f64::from(point_bits(&numbers, index))).collect();
            assert_eq!(found, expected, "point {index}");
        }
    }

    #[test]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the numbers are small")]
    fn each_interval_of_a_scrambled_coordinate_has_one_point() {
        for seed in 0..3 {
            let points: Vec<Vec<f64>> =
                (0..64).map(|index| scrambled_point(seed, index, DIMENSIONS)).collect();
            for dimension in 0..DIMENSIONS {
                let mut cells: Vec<u32> = points.iter().map(|p| (p[dimension] * 64.0) as u32).collect();
                cells.sort_unstable();
                assert_eq!(cells, (0..64).collect::<Vec<_>>(), "seed {seed}, dimension {dimension}");
            }
        }
    }
}
