//! Numbers of a column, as far as memory allows.

/// Collects finite numbers in bounded memory: all of them up to a bound, beyond it a uniform sample that is a function of
/// the positions of the values alone.
#[derive(Debug, Clone)]
pub(super) struct NumberCollector {
    /// Hash of the position with each value.
    values: Vec<(u64, f64)>,
    most: usize,
    /// Values with a larger hash are left out.
    limit: u64,
    count: u64,
    /// Running mean and sum of squared differences from it (Welford 1962).
    mean: f64,
    squares: f64,
    minimum: f64,
    maximum: f64,
    /// Distinct values in order, until they are too many.
    distinct: Vec<f64>,
}

/// Numbers of a column in ascending order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SortedNumbers {
    /// The values, or a sample of them.
    pub sorted: Vec<f64>,
    /// Number of values that `sorted` stands for.
    pub count: u64,
    /// Mean of all values; 0 without values.
    pub mean: f64,
    /// Standard deviation of all values, with divisor n; 0 without values.
    pub deviation: f64,
    /// Smallest and largest of all values; `None` without values, or if they are not known.
    pub range: Option<(f64, f64)>,
    /// Number of distinct values, at most one more than [`super::NumberReference::MOST_DISTINCT`].
    pub distinct: u64,
}

/// Number of distinct values that are counted.
#[allow(clippy::cast_possible_truncation, reason = "a small constant")]
const MOST_DISTINCT: usize = super::NumberReference::MOST_DISTINCT as usize;

impl NumberCollector {
    /// Collector of at most this many values.
    pub fn new(most: usize) -> Self {
        Self {
            values: Vec::new(),
            most: most.max(2),
            limit: u64::MAX,
            count: 0,
            mean: 0.0,
            squares: 0.0,
            minimum: f64::INFINITY,
            maximum: f64::NEG_INFINITY,
            distinct: Vec::new(),
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
    pub fn push(&mut self, value: f64) {
        let hash = mixed(self.count);
        self.count += 1;
        let step = value - self.mean;
        self.mean += step / self.count as f64;
        self.squares += step * (value - self.mean);
        self.minimum = self.minimum.min(value);
        self.maximum = self.maximum.max(value);
        if self.distinct.len() <= MOST_DISTINCT
            && let Err(place) = self.distinct.binary_search_by(|other| other.total_cmp(&value))
        {
            self.distinct.insert(place, value);
        }
        if hash > self.limit {
            return;
        }
        self.values.push((hash, value));
        if self.values.len() > self.most {
            self.limit /= 2;
            let limit = self.limit;
            self.values.retain(|(hash, _)| *hash <= limit);
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
    pub fn finish(self) -> SortedNumbers {
        let mut sorted: Vec<f64> = self.values.into_iter().map(|(_, value)| value).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        if self.count == 0 {
            return SortedNumbers::default();
        }
        let deviation = if sorted.len() as u64 == self.count {
            SortedNumbers::deviation_of(&sorted).1
        } else {
            (self.squares / self.count as f64).max(0.0).sqrt()
        };
        SortedNumbers {
            sorted,
            count: self.count,
            mean: self.mean,
            deviation,
            range: Some((self.minimum, self.maximum)),
            distinct: self.distinct.len() as u64,
        }
    }
}

impl SortedNumbers {
    /// All of these numbers; those that are not finite are left out.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut collector = NumberCollector::new(usize::MAX);
        values.into_iter().filter(|value| value.is_finite()).for_each(|value| collector.push(value + 0.0));
        collector.finish()
    }

    /// Mean and standard deviation, in two passes.
    #[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
    pub(crate) fn deviation_of(values: &[f64]) -> (f64, f64) {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (mean, (squares / count).sqrt())
    }

    /// At most this many evenly spaced order statistics.
    pub(super) fn thinned(&self, most: usize) -> Vec<f64> {
        let (all, most) = (self.sorted.len(), most.max(1));
        if all <= most {
            return self.sorted.clone();
        }
        (0..most).map(|index| self.sorted[(2 * index + 1) * all / (2 * most)]).collect()
    }
}

/// Hash of a position: the finaliser of `SplitMix64` (Steele et al. 2014).
fn mixed(position: u64) -> u64 {
    let mut hash = position.wrapping_add(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_all_there() {
        let found = SortedNumbers::of([3.0, f64::NAN, 1.0, 2.0, f64::INFINITY, 2.0]);
        assert_eq!(found.sorted, [1.0, 2.0, 2.0, 3.0]);
        assert_eq!((found.count, found.distinct, found.range), (4, 3, Some((1.0, 3.0))));
        assert!((found.deviation - 0.5f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn a_sample_is_bounded_and_has_the_distribution_of_all() {
        let mut collector = NumberCollector::new(2000);
        (0..100_000u32).for_each(|value| collector.push(f64::from(value)));
        let found = collector.finish();
        assert!((1000..=2000).contains(&found.sorted.len()));
        assert_eq!((found.count, found.range), (100_000, Some((0.0, 99_999.0))));
        let middle = found.sorted[found.sorted.len() / 2];
        assert!((45_000.0..55_000.0).contains(&middle), "{middle}");
        assert!((found.deviation - 28_867.513_458).abs() < 1e-3);
        assert_eq!(found.distinct, 101);
    }
}
