//! Quantiles of durations.

use serde::{Deserialize, Serialize};

/// Ratio of the borders of a bin: quantiles are right within 5 %.
const RATIO: f64 = 1.1;
/// Upper border of the first bin, in seconds.
const SHORTEST: f64 = 1e-5;
/// Bins, the last of which ends beyond 1000 s.
const BINS: usize = 196;

/// Durations in bins of growing width, as in `DDSketch` (Masson, Rim and Lee, "`DDSketch`: a fast and fully-mergeable quantile
/// sketch with relative-error guarantees", VLDB 2019), with fixed limits: 10 us to 1000 s.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DurationHistogram {
    /// Durations in each bin; empty without durations.
    bins: Vec<u32>,
    count: u64,
    sum: f64,
}

impl DurationHistogram {
    /// Adds a duration in seconds.
    pub fn add(&mut self, seconds: f64) {
        let seconds = if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
        self.bins.resize(BINS, 0);
        // A logarithm of 0 is clamped too.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the bins")]
        let bin = ((seconds / SHORTEST).ln() / RATIO.ln()).ceil().clamp(0.0, (BINS - 1) as f64) as usize;
        self.bins[bin] = self.bins[bin].saturating_add(1);
        self.count += 1;
        self.sum += seconds;
    }

    /// Histogram of the bins of [`Self::filled`] and the sum of the durations; bins that do not exist are left out.
    pub fn of_filled(filled: &[(usize, u32)], sum: f64) -> Self {
        let mut own = Self::default();
        for (bin, count) in filled.iter().filter(|(bin, _)| *bin < BINS) {
            own.bins.resize(BINS, 0);
            own.bins[*bin] = own.bins[*bin].saturating_add(*count);
            own.count += u64::from(*count);
        }
        own.sum = sum;
        own
    }

    /// Number and durations of each bin that has any.
    pub fn filled(&self) -> Vec<(usize, u32)> {
        self.bins.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect()
    }

    /// Sum of all durations in seconds.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Number of durations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Mean in seconds; `None` without durations.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// Duration in seconds that a share `level` does not exceed, within 5 %; `None` without durations.
    pub fn quantile(&self, level: f64) -> Option<f64> {
        let total: u64 = self.bins.iter().map(|count| u64::from(*count)).sum();
        let wanted = level.clamp(0.0, 1.0) * total as f64;
        let mut seen = 0.0;
        let bin = self.bins.iter().position(|count| {
            seen += f64::from(*count);
            *count > 0 && seen >= wanted
        })?;
        // The value with the same relative distance from both borders.
        Some(SHORTEST * RATIO.powf(bin as f64) * 2.0 / (1.0 + RATIO))
    }

    /// Adds the durations of another histogram.
    pub fn merge(&mut self, other: &Self) {
        if self.bins.len() < other.bins.len() {
            self.bins.resize(other.bins.len().min(BINS), 0);
        }
        for (own, count) in self.bins.iter_mut().zip(&other.bins) {
            *own = own.saturating_add(*count);
        }
        self.count = self.count.saturating_add(other.count);
        self.sum += other.sum;
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.bins.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_five_per_cent() {
        let (mut odd, mut even) = (DurationHistogram::default(), DurationHistogram::default());
        for ms in 1..=1000 {
            let seconds = f64::from(ms) / 1000.0;
            if ms % 2 == 0 { even.add(seconds) } else { odd.add(seconds) }
        }
        odd.merge(&even);
        assert_eq!(odd.count(), 1000);
        for level in [0.01, 0.5, 0.95, 0.99] {
            let found = odd.quantile(level).unwrap();
            assert!((found / level - 1.0).abs() < 0.055, "{level}: {found}");
        }
        assert!((odd.mean().unwrap() - 0.5005).abs() < 1e-9);
    }

    #[test]
    fn no_duration_breaks_it() {
        let mut all = DurationHistogram::default();
        assert_eq!((all.quantile(0.5), all.mean()), (None, None));
        for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300, 1e-300] {
            all.add(seconds);
        }
        assert_eq!(all.count(), 6);
        assert!(all.quantile(0.5).unwrap() < 1e-4);
    }
}
