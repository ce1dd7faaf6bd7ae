//! Sketch of a column of numbers.

use serde::{Deserialize, Serialize};

use super::quantile::QuantileSketch;

/// Numbers of a stream: counts over the bins of the reference, those outside of them, moments and quantiles.
///
/// The bins are those of the [`SketchLayout`](super::SketchLayout); without a reference there are none.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct NumberSketch {
    /// Values in each bin. Bins hold their lower border, the last one both.
    pub counts: Vec<u64>,
    /// Values below the first bin.
    pub below: u64,
    /// Values above the last bin.
    pub above: u64,
    /// Rows without a value.
    pub missing: u64,
    /// Number of values, infinite ones too.
    pub count: u64,
    /// Mean of the finite values; 0 without any.
    pub mean: f64,
    /// Sum of the squared distances from the mean.
    squares: f64,
    /// Smallest and largest finite value; `None` without any.
    pub range: Option<(f64, f64)>,
    /// Quantiles.
    pub quantiles: QuantileSketch,
}

impl NumberSketch {
    /// Empty sketch over bins with these borders.
    pub fn new(edges: &[f64]) -> Self {
        Self { counts: vec![0; edges.len().saturating_sub(1)], ..Self::default() }
    }

    /// Adds the value of a row; `None` and NaN are missing. `edges` are those that the sketch was made with.
    pub fn add(&mut self, edges: &[f64], value: Option<f64>) {
        self.add_rounded(edges, value, |edge| edge);
    }

    /// Adds the value of a row in 32 bits, as tensors have it; NaN is missing. The borders are rounded too: 0.7 would
    /// otherwise fall below a border of 0.7.
    pub fn add_single(&mut self, edges: &[f64], value: f32) {
        #[allow(clippy::cast_possible_truncation, reason = "rounded as the value was")]
        self.add_rounded(edges, Some(f64::from(value)), |edge| f64::from(edge as f32));
    }

    fn add_rounded(&mut self, edges: &[f64], value: Option<f64>, rounded: impl Fn(f64) -> f64) {
        let Some(value) = value.filter(|value| !value.is_nan()) else {
            self.missing += 1;
            return;
        };
        self.count += 1;
        if let [first, .., last] = edges {
            if value < rounded(*first) {
                self.below += 1;
            } else if value > rounded(*last) {
                self.above += 1;
            } else {
                let bin = edges.partition_point(|edge| rounded(*edge) <= value).saturating_sub(1);
                if let Some(count) = self.counts.get_mut(bin.min(edges.len() - 2)) {
                    *count += 1;
                }
            }
        }
        if value.is_finite() {
            self.add_finite(value);
        }
    }

    /// Moments by Welford's update (Knuth, "The Art of Computer Programming" 2, section 4.2.2).
    fn add_finite(&mut self, value: f64) {
        self.quantiles.add(value);
        let distance = value - self.mean;
        self.mean += distance / self.quantiles.count() as f64;
        self.squares += distance * (value - self.mean);
        let (low, high) = self.range.unwrap_or((value, value));
        self.range = Some((low.min(value), high.max(value)));
    }

    /// Number of rows, those without a value too.
    pub fn rows(&self) -> u64 {
        self.count + self.missing
    }

    /// Standard deviation with divisor n; 0 without values.
    pub fn deviation(&self) -> f64 {
        let count = self.quantiles.count();
        if count == 0 { 0.0 } else { (self.squares / count as f64).max(0.0).sqrt() }
    }

    /// Adds the rows of another sketch. The moments are merged as in Chan, Golub and `LeVeque`, "Updating formulae and a
    /// pairwise algorithm for computing sample variances" (1979). Returns `false`, and changes nothing, if the bins differ.
    #[must_use]
    pub fn merge(&mut self, other: &Self) -> bool {
        if self.counts.len() != other.counts.len() {
            return false;
        }
        for (own, count) in self.counts.iter_mut().zip(&other.counts) {
            *own = own.saturating_add(*count);
        }
        self.below = self.below.saturating_add(other.below);
        self.above = self.above.saturating_add(other.above);
        self.missing = self.missing.saturating_add(other.missing);
        // Infinite values are counted, but have no part in moments and quantiles.
        let (own, theirs) = (self.quantiles.count() as f64, other.quantiles.count() as f64);
        if theirs > 0.0 {
            let (both, distance) = (own + theirs, other.mean - self.mean);
            self.mean += distance * theirs / both;
            self.squares += other.squares + distance * distance * own * theirs / both;
        }
        self.count = self.count.saturating_add(other.count);
        let ranges = self.range.into_iter().chain(other.range);
        self.range = ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        self.quantiles.merge(&other.quantiles);
        true
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<u64>() + self.quantiles.heap_bytes()
    }

    /// `true` if the numbers of an untrusted document agree with each other.
    pub(super) fn is_valid(&self) -> bool {
        let outside = [self.below, self.above];
        let sum = self.counts.iter().chain(&outside).try_fold(0u64, |sum, count| sum.checked_add(*count));
        let is_finite = self.mean.is_finite() && self.squares.is_finite();
        sum.is_some_and(|sum| sum <= self.count) && is_finite && self.quantiles.is_valid()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bins_hold_their_lower_border_and_the_last_one_both() {
        let edges = [0.0, 1.0, 2.0];
        let mut sketch = NumberSketch::new(&edges);
        for value in [0.0, 0.5, 1.0, 2.0, -0.1, 2.1, f64::INFINITY, f64::NAN] {
            sketch.add(&edges, Some(value));
        }
        sketch.add(&edges, None);
        assert_eq!(sketch.counts, [2, 2]);
        assert_eq!((sketch.below, sketch.above, sketch.missing, sketch.count), (1, 2, 2, 7));
        assert_eq!(sketch.range, Some((-0.1, 2.1)));
        assert!(sketch.is_valid());
        let mut constant = NumberSketch::new(&[3.0, 3.0]);
        constant.add(&[3.0, 3.0], Some(3.0));
        constant.add(&[3.0, 3.0], Some(2.0));
        assert_eq!((constant.counts.as_slice(), constant.below), (&[1][..], 1));
    }

    #[test]
    fn values_of_32_bits_fall_into_the_bins_of_their_decimals() {
        let edges = [0.1, 0.3, 0.7, 1.1];
        let (mut single, mut double) = (NumberSketch::new(&edges), NumberSketch::new(&edges));
        for value in ["0.1", "0.3", "0.7", "0.7", "1.1"] {
            single.add_single(&edges, value.parse().unwrap());
            double.add(&edges, value.parse().ok());
        }
        assert_eq!((&single.counts, single.below, single.above), (&double.counts, 0, 0));
        assert_eq!(double.counts, [1, 1, 3]);
    }

    proptest! {
        #[test]
        fn parts_merge_to_the_whole(values in prop::collection::vec(-1e3..1e3f64, 0..200), cut in 0usize..200) {
            let edges = [-500.0, 0.0, 500.0];
            let sketch = |values: &[f64]| {
                let mut sketch = NumberSketch::new(&edges);
                for value in values {
                    sketch.add(&edges, Some(*value));
                }
                sketch
            };
            let cut = cut.min(values.len());
            let (whole, mut parts) = (sketch(&values), sketch(&values[..cut]));
            prop_assert!(parts.merge(&sketch(&values[cut..])));
            prop_assert_eq!(&parts.counts, &whole.counts);
            prop_assert_eq!((parts.below, parts.above, parts.count), (whole.below, whole.above, whole.count));
            prop_assert_eq!(parts.range, whole.range);
            prop_assert!((parts.mean - whole.mean).abs() < 1e-9);
            prop_assert!((parts.deviation() - whole.deviation()).abs() < 1e-9);
        }
    }
}
