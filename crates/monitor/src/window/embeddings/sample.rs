//! Sample of the rows of a window that merges with those of other servers.

use serde::{Deserialize, Serialize};

use crate::window::reservoir::SplitMix;

/// Vectors of a uniform sample of the rows of a window, in any order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SampledVectors {
    /// Begin of the window in milliseconds since 1970.
    pub began: i64,
    /// Rows of the window.
    pub seen: u64,
    /// Share of the sampled rows that have a vector, now or later.
    pub usable: f64,
    /// Vectors.
    pub vectors: Vec<Vec<f64>>,
}

/// Uniform sample of the embedded rows of a window.
///
/// Each row of the window has a key, a uniform draw, and the sample holds the rows with the smallest ones (Cohen and Kaplan 2007,
/// "Summarizing data using bottom-k sketches"). So the smallest keys of several samples are a uniform sample of all their rows, in
/// whatever order they are merged: a server with more rows has more of the small keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingSample {
    /// Begin of the window in milliseconds since 1970.
    pub began: i64,
    /// Rows of the window.
    pub seen: u64,
    /// Most vectors.
    pub capacity: usize,
    /// Key up to which the sample has all rows; 1 if it has all rows of the window.
    pub threshold: f64,
    /// Key of each vector, in ascending order.
    pub keys: Vec<f64>,
    /// Values `[keys, width]`.
    pub values: Vec<f32>,
}

/// Vector with its key.
type KeyedVector<'a> = (f64, &'a [f32]);

impl EmbeddingSample {
    /// Draws the keys of a sample that was taken without them: the smallest ones of as many uniform draws as the window has rows.
    #[allow(clippy::cast_possible_truncation, reason = "vectors are in single precision")]
    pub fn draw(mut sampled: SampledVectors, capacity: usize, seed: u64) -> Self {
        let mut random = SplitMix(seed);
        let count = sampled.vectors.len();
        // A reservoir keeps early rows in early places.
        for at in (1..count).rev() {
            sampled.vectors.swap(at, random.below(at + 1));
        }
        let rows = rows_with_vectors(&sampled);
        let mut key = 0.0_f64;
        let mut left = rows;
        // Order statistics, each from the one below it (Devroye 1986, section V.2).
        let mut next = || {
            key += (1.0 - key) * -(random.unit().ln() / left).exp_m1();
            left -= 1.0;
            key.min(1.0)
        };
        let keys: Vec<f64> = (0..count).map(|_| next()).collect();
        let is_whole = count as f64 >= rows;
        let threshold = keys.last().copied().filter(|_| !is_whole).unwrap_or(1.0);
        let values = sampled.vectors.iter().flatten().map(|value| *value as f32).collect();
        let (began, seen) = (sampled.began, sampled.seen);
        Self { began, seen, capacity: capacity.max(count), threshold, keys, values }
    }

    /// Merges the samples of windows of one period and width; `None` without any.
    pub(super) fn merged(samples: &[&Self]) -> Option<Self> {
        let began = samples.iter().map(|own| own.began).min()?;
        let capacity = samples.iter().map(|own| own.capacity).min()?;
        let seen = samples.iter().fold(0_u64, |all, own| all.saturating_add(own.seen));
        // Beyond the key up to which each sample has all of its rows, a part of them would be missing.
        let mut threshold = samples.iter().map(|own| own.threshold).fold(1.0, f64::min);
        let mut rows: Vec<KeyedVector<'_>> = samples.iter().flat_map(|own| own.rows()).collect();
        rows.retain(|(key, _)| *key <= threshold);
        rows.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| bits(a.1).cmp(bits(b.1))));
        if rows.len() > capacity {
            rows.truncate(capacity);
            threshold = rows.last().map_or(threshold, |(key, _)| *key);
        }
        let keys = rows.iter().map(|(key, _)| *key).collect();
        let values = rows.iter().flat_map(|(_, vector)| vector.iter().copied()).collect();
        Some(Self { began, seen, capacity, threshold, keys, values })
    }

    fn rows(&self) -> impl Iterator<Item = KeyedVector<'_>> {
        let width = self.values.len() / self.keys.len().max(1);
        self.keys.iter().copied().zip(self.values.chunks(width.max(1)))
    }

    /// `true` if the numbers do not contradict each other.
    pub(super) fn is_valid(&self, width: usize) -> bool {
        let count = self.keys.len();
        let is_key = |key: &f64| *key > 0.0 && *key <= self.threshold;
        count <= self.capacity
            && count as u64 <= self.seen
            && self.threshold > 0.0
            && self.threshold <= 1.0
            && self.keys.iter().all(is_key)
            && self.keys.is_sorted()
            && count.checked_mul(width) == Some(self.values.len())
            && self.values.iter().all(|value| value.is_finite())
    }
}

/// Rows of a window that have a vector or would have one, as the sample tells.
#[allow(clippy::cast_precision_loss, reason = "a number of rows")]
fn rows_with_vectors(sampled: &SampledVectors) -> f64 {
    let share = sampled.usable.clamp(0.0, 1.0);
    (sampled.seen as f64 * share).round().max(sampled.vectors.len() as f64)
}

/// Values in an order that does not depend on that of the servers, for rows with the same key.
fn bits(vector: &[f32]) -> impl Iterator<Item = u32> {
    vector.iter().map(|value| value.to_bits())
}
