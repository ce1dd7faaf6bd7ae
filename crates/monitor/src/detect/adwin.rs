//! Adaptive windowing.

use serde::{Deserialize, Serialize};

use super::{ChangeDetector, ChangeLevel};

/// ADWIN (Bifet and Gavaldà 2007): a window of the newest values, in buckets of exponentially growing size, that drops
/// its oldest part while two parts of it differ in the mean. Memory grows with the logarithm of the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adwin {
    /// Probability of a false alarm.
    pub delta: f64,
    /// Values between two checks.
    pub clock: u64,
    /// Buckets of each size before two are merged.
    pub max_buckets: usize,
    /// Least width of a part.
    pub min_window_length: f64,
    /// Values before the first check.
    pub grace_period: f64,
    /// Buckets of 1, 2, 4 ... values, the oldest of each first.
    rows: Vec<Vec<Bucket>>,
    total: f64,
    variance: f64,
    width: f64,
    tick: u64,
    level: ChangeLevel,
}

/// Sum and summed squared deviations of the values of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Bucket {
    total: f64,
    variance: f64,
}

/// Part of the window.
#[derive(Debug, Clone, Copy, Default)]
struct WindowPart {
    width: f64,
    total: f64,
}

impl Default for Adwin {
    fn default() -> Self {
        Self {
            delta: 0.002,
            clock: 32,
            max_buckets: 5,
            min_window_length: 5.0,
            grace_period: 10.0,
            rows: vec![Vec::new()],
            total: 0.0,
            variance: 0.0,
            width: 0.0,
            tick: 0,
            level: ChangeLevel::Stable,
        }
    }
}

/// Values of a bucket of a row.
fn bucket_size(row: usize) -> f64 {
    2.0_f64.powi(i32::try_from(row).unwrap_or(i32::MAX))
}

impl Adwin {
    /// Number of values in the window.
    pub fn width(&self) -> f64 {
        self.width
    }

    /// Mean of the window; 0 if it is empty.
    pub fn mean(&self) -> f64 {
        if self.width > 0.0 { self.total / self.width } else { 0.0 }
    }

    fn insert(&mut self, value: f64) {
        self.rows[0].push(Bucket { total: value, variance: 0.0 });
        self.width += 1.0;
        if self.width > 1.0 {
            let before = self.width - 1.0;
            let deviation = value - self.total / before;
            self.variance += before * deviation * deviation / self.width;
        }
        self.total += value;
        self.compress();
    }

    /// Merges the two oldest buckets of each row that has too many.
    fn compress(&mut self) {
        let mut row = 0;
        while self.rows[row].len() > self.max_buckets {
            let size = bucket_size(row);
            let oldest: Vec<Bucket> = self.rows[row].drain(..2).collect();
            let (first, second) = (oldest[0], oldest[1]);
            let difference = first.total / size - second.total / size;
            let between = size * size * difference * difference / (size + size);
            let merged = Bucket {
                total: first.total + second.total,
                variance: first.variance + second.variance + between,
            };
            row += 1;
            if row == self.rows.len() {
                self.rows.push(Vec::new());
            }
            self.rows[row].push(merged);
        }
    }

    fn drop_oldest(&mut self) {
        let row = self.rows.len() - 1;
        let size = bucket_size(row);
        let oldest = self.rows[row].remove(0);
        self.width -= size;
        self.total -= oldest.total;
        let difference = oldest.total / size - self.total / self.width;
        self.variance -= oldest.variance + size * self.width * difference * difference / (size + self.width);
        if self.rows[row].is_empty() && row > 0 {
            self.rows.pop();
        }
    }

    /// `true` if the window divides into two parts whose means differ.
    fn has_cut(&self) -> bool {
        let mut old = WindowPart::default();
        let mut new = WindowPart { width: self.width, total: self.total };
        for (row, buckets) in self.rows.iter().enumerate().rev() {
            let size = bucket_size(row);
            for bucket in buckets {
                old = WindowPart { width: old.width + size, total: old.total + bucket.total };
                new = WindowPart { width: new.width - size, total: new.total - bucket.total };
                let wide = new.width >= self.min_window_length && old.width >= self.min_window_length;
                if wide && self.differ(old, new) {
                    return true;
                }
            }
        }
        false
    }

    fn differ(&self, old: WindowPart, new: WindowPart) -> bool {
        let difference = (old.total / old.width - new.total / new.width).abs();
        let delta = (2.0 * self.width.ln() / self.delta).ln();
        let harmonic = 1.0 / (old.width - self.min_window_length + 1.0)
            + 1.0 / (new.width - self.min_window_length + 1.0);
        let variance = self.variance / self.width;
        difference > (2.0 * harmonic * variance * delta).sqrt() + 2.0 / 3.0 * delta * harmonic
    }
}

impl ChangeDetector for Adwin {
    fn update(&mut self, value: f64) -> ChangeLevel {
        if self.level == ChangeLevel::Drift {
            (self.rows, self.total, self.variance) = (vec![Vec::new()], 0.0, 0.0);
            (self.width, self.tick, self.level) = (0.0, 0, ChangeLevel::Stable);
        }
        self.insert(value);
        self.tick += 1;
        if self.tick.is_multiple_of(self.clock) && self.width > self.grace_period {
            while self.width > 1.0 && self.has_cut() {
                self.drop_oldest();
                self.level = ChangeLevel::Drift;
            }
        }
        self.level
    }

    fn level(&self) -> ChangeLevel {
        self.level
    }
}
