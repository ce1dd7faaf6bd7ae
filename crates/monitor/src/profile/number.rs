//! Distribution of numbers.

use serde::{Deserialize, Serialize};

use super::SortedNumbers;

/// Most bins of a number.
const BINS: usize = 20;

/// Distribution of finite numbers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NumberReference {
    /// Smallest value; `None` without values, and for private data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// Largest value, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
    /// Mean; 0 without values.
    pub mean: f64,
    /// Standard deviation, with divisor n; 0 without values.
    pub deviation: f64,
    /// Number of distinct values, at most [`Self::MOST_DISTINCT`]: a column of few is treated as categories.
    pub distinct: u64,
    /// Borders of the bins, ascending: one more than `counts`. Bins hold their lower border, the last one both. Empty without
    /// values.
    pub edges: Vec<f64>,
    /// Values in each bin. Values of rows that the profile was not made of may lie outside of all bins.
    pub counts: Vec<u64>,
    /// Evenly spaced order statistics of the values, ascending; all of them where they are few. Empty for private data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sorted: Vec<f64>,
}

impl NumberReference {
    /// Distinct values beyond this number are not counted.
    pub const MOST_DISTINCT: u64 = 100;

    /// Distribution with at most so many order statistics, or with bins of round borders alone.
    pub(super) fn of(numbers: &SortedNumbers, most: usize, private: bool) -> Self {
        let edges = if private {
            round_edges(&numbers.sorted)
        } else if numbers.distinct <= BINS as u64 {
            edges_between(&numbers.sorted)
        } else {
            quantile_edges(&numbers.sorted)
        };
        let range = numbers.range.filter(|_| !private);
        Self {
            minimum: range.map(|range| range.0),
            maximum: range.map(|range| range.1),
            mean: numbers.mean,
            deviation: numbers.deviation,
            distinct: numbers.distinct.min(Self::MOST_DISTINCT),
            counts: counts_within(&edges, &numbers.sorted),
            edges,
            sorted: if private { Vec::new() } else { numbers.thinned(most) },
        }
    }

    /// Quantile by linear interpolation between the order statistics, or within the bin where there are none; `None` without
    /// values.
    pub fn quantile(&self, level: f64) -> Option<f64> {
        let level = level.clamp(0.0, 1.0);
        if self.sorted.is_empty() {
            return self.quantile_of_bins(level);
        }
        #[allow(clippy::cast_precision_loss, reason = "at most a few thousand values")]
        let at = level * (self.sorted.len() - 1) as f64;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of the list")]
        let below = at.floor() as usize;
        let low = self.sorted[below];
        let high = self.sorted.get(below + 1).copied().unwrap_or(low);
        Some(low + (high - low) * at.fract())
    }

    #[allow(clippy::cast_precision_loss, reason = "counts of fewer than 2^53 rows")]
    fn quantile_of_bins(&self, level: f64) -> Option<f64> {
        let total: u64 = self.counts.iter().sum();
        let mut before = 0.0;
        let wanted = level * total as f64;
        for (bin, count) in self.counts.iter().enumerate() {
            let count = *count as f64;
            if count > 0.0 && before + count >= wanted {
                let (low, high) = (self.edges[bin], self.edges[bin + 1]);
                return Some(low + (high - low) * ((wanted - before) / count).clamp(0.0, 1.0));
            }
            before += count;
        }
        None
    }

    /// The error is the reason.
    pub(super) fn check(&self, count: u64) -> Result<(), &'static str> {
        let bins = self.counts.len();
        if self.edges.len() != bins + usize::from(bins > 0) {
            return Err("expected one more edge than counts");
        }
        let ascends = |values: &[f64]| values.windows(2).all(|pair| pair[0] <= pair[1]);
        if !ascends(&self.edges) || !ascends(&self.sorted) {
            return Err("edges and sorted values must ascend");
        }
        let numbers = self.edges.iter().chain(&self.sorted).chain([&self.mean, &self.deviation]);
        if !numbers.chain(&self.minimum).chain(&self.maximum).all(|value| value.is_finite()) {
            return Err("numbers must be finite");
        }
        let binned = self.counts.iter().try_fold(0u64, |sum, count| sum.checked_add(*count));
        if binned.is_none_or(|binned| binned > count) || self.sorted.len() as u64 > count {
            return Err("more values than rows");
        }
        if self.distinct > count || self.deviation < 0.0 || !self.is_in_range() {
            return Err("mean, deviation, number of distinct values and range contradict each other");
        }
        Ok(())
    }

    /// `true` if mean, edges and sorted values are within the range, as far as it is known and rounding allows.
    fn is_in_range(&self) -> bool {
        let (Some(low), Some(high)) = (self.minimum, self.maximum) else { return true };
        let margin = (low.abs().max(high.abs()) * 1e-9).max(f64::MIN_POSITIVE);
        let within = |value: &f64| (low - margin..=high + margin).contains(value);
        let all = self.edges.iter().chain(&self.sorted);
        low <= high && all.chain(std::iter::once(&self.mean)).all(within)
    }
}

/// Borders between few distinct values.
fn edges_between(sorted: &[f64]) -> Vec<f64> {
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else { return Vec::new() };
    let changes = sorted.windows(2).filter(|pair| pair[0] < pair[1]);
    let middles = changes.map(|pair| pair[0] + (pair[1] - pair[0]) / 2.0);
    std::iter::once(*first).chain(middles).chain([*last]).collect()
}

/// Quantiles of equal steps.
fn quantile_edges(sorted: &[f64]) -> Vec<f64> {
    let Some(last) = sorted.len().checked_sub(1) else { return Vec::new() };
    let mut edges: Vec<f64> = (0..=BINS).map(|index| sorted[index * last / BINS]).collect();
    edges.dedup();
    if edges.len() == 1 { vec![edges[0]; 2] } else { edges }
}

/// Equal steps of a round width, a multiple of which all borders are, so that no border is a value of a row but by chance.
fn round_edges(sorted: &[f64]) -> Vec<f64> {
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else { return Vec::new() };
    #[allow(clippy::cast_precision_loss, reason = "a small constant")]
    let width = ((last - first) / (BINS / 2) as f64).max(f64::MIN_POSITIVE.sqrt());
    let width = if last > first { width } else { first.abs().max(1.0) };
    let power = 10f64.powf(width.log10().floor());
    let width = [1.0, 2.0, 5.0, 10.0].map(|step| step * power).into_iter().find(|step| *step >= width);
    let width = width.unwrap_or(power * 10.0);
    let (low, high) = ((first / width).floor(), (last / width).floor() + 1.0);
    let steps = (0..=40u32).map(f64::from).take_while(|step| low + step <= high);
    steps.map(|step| (low + step) * width).collect()
}

/// Number of values in each bin.
fn counts_within(edges: &[f64], sorted: &[f64]) -> Vec<u64> {
    let below = |edge: f64| sorted.partition_point(|value| *value < edge);
    let Some(last) = edges.len().checked_sub(2) else { return Vec::new() };
    let count = |bin: usize| {
        let end = if bin == last { sorted.len() } else { below(edges[bin + 1]) };
        (end - if bin == 0 { 0 } else { below(edges[bin]) }) as u64
    };
    (0..=last).map(count).collect()
}
