//! Sums over the units that each resample draws.

use super::draws::count_resample;

/// Resamples that are summed in one pass over the units, so that wide units are read from memory once for all.
pub const BATCH: usize = 16;

/// Share of numbers other than zero below which only these are added.
const SPARSE: f64 = 0.2;

/// Units whose sums are resampled: `[units, width]`, or the numbers other than zero of each unit with their indices.
pub struct Units<'a> {
    width: usize,
    count: usize,
    dense: &'a [f64],
    /// Ends of the units in `entries`; empty for dense units.
    ends: Vec<usize>,
    entries: Vec<(usize, f64)>,
}

impl<'a> Units<'a> {
    /// Units of this width.
    pub fn new(dense: &'a [f64], width: usize) -> Self {
        let filled = dense.iter().filter(|number| **number != 0.0).count();
        let (mut ends, mut entries) = (Vec::new(), Vec::new());
        if (filled as f64) < SPARSE * dense.len() as f64 {
            for unit in dense.chunks_exact(width) {
                entries.extend(unit.iter().copied().enumerate().filter(|(_, number)| *number != 0.0));
                ends.push(entries.len());
            }
        }
        Self { width, count: dense.len() / width, dense, ends, entries }
    }

    /// Sums of consecutive resamples from `first` on, one after the other in `sums`; `counts` is a buffer.
    pub fn resample(&self, seed: u64, first: usize, counts: &mut Vec<u32>, sums: &mut [f64]) {
        sums.fill(0.0);
        counts.resize(self.count * sums.len() / self.width, 0);
        for (at, counts) in counts.chunks_exact_mut(self.count).enumerate() {
            count_resample(seed, first + at, counts);
        }
        if self.ends.is_empty() {
            for (unit, numbers) in self.dense.chunks_exact(self.width).enumerate() {
                for (counts, sums) in counts.chunks_exact(self.count).zip(sums.chunks_exact_mut(self.width)) {
                    let count = f64::from(counts[unit]);
                    if count > 0.0 {
                        sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += count * number);
                    }
                }
            }
            return;
        }
        for (counts, sums) in counts.chunks_exact(self.count).zip(sums.chunks_exact_mut(self.width)) {
            let mut start = 0;
            for (count, end) in counts.iter().zip(&self.ends) {
                // Zero times an infinite number would not be zero.
                if *count > 0 {
                    for (at, number) in &self.entries[start..*end] {
                        sums[*at] += f64::from(*count) * number;
                    }
                }
                start = *end;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_and_dense_units_have_the_same_sums() {
        let (count, width) = (50, 12);
        for filled in [1, 12] {
            let dense: Vec<f64> = (0..count * width)
                .map(|at| if at % width < filled { (at * 37 % 101) as f64 } else { 0.0 })
                .collect();
            let units = Units::new(&dense, width);
            assert_eq!(units.ends.is_empty(), filled == 12);
            let (mut counts, mut sums) = (Vec::new(), vec![0.0; 3 * width]);
            units.resample(5, 7, &mut counts, &mut sums);
            let mut drawn = vec![0; count];
            for (at, sums) in sums.chunks_exact(width).enumerate() {
                count_resample(5, 7 + at, &mut drawn);
                for (column, sum) in sums.iter().enumerate() {
                    let expected: f64 = drawn
                        .iter()
                        .enumerate()
                        .map(|(unit, n)| f64::from(*n) * dense[unit * width + column])
                        .sum();
                    assert!((sum - expected).abs() < 1e-9, "{sum} {expected}");
                }
            }
        }
    }
}
