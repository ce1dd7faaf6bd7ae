//! Population stability index of a column.

use super::{BIN, ColumnProfile, NumberProfile};

/// Histogram of a column over the bins of an older profile: deciles of numbers, or the most frequent values.
pub(crate) struct Drift {
    edges: Vec<f64>,
    values: Vec<String>,
    expected: Vec<f64>,
    counts: Vec<u64>,
}

impl From<&ColumnProfile> for Drift {
    fn from(column: &ColumnProfile) -> Self {
        let present = (column.rows - column.missing).max(1) as f64;
        let (edges, values, expected) = if let Some(numbers) = &column.numbers {
            let mut inner: Vec<f64> = numbers.quantiles.iter().copied().step_by(BIN).skip(1).collect();
            inner.pop();
            inner.dedup();
            let cuts: Vec<f64> = inner.iter().map(|edge| numbers.below(*edge)).chain([1.0]).collect();
            let shares = cuts.iter().scan(0.0, |before, cut| {
                let share = cut - *before;
                *before = *cut;
                Some(share)
            });
            (inner, Vec::new(), shares.collect())
        } else {
            let mut shares: Vec<f64> = column.top.iter().map(|(_, n)| *n as f64 / present).collect();
            shares.push((1.0 - shares.iter().sum::<f64>()).max(0.0));
            (Vec::new(), column.top.iter().map(|(value, _)| value.clone()).collect(), shares)
        };
        let bins = expected.len();
        Self { edges, values, expected, counts: vec![0; bins] }
    }
}

impl Drift {
    pub fn add(&mut self, number: Option<f64>, text: &str) {
        let bin = if self.values.is_empty() {
            let Some(number) = number else { return };
            // A bin includes its upper edge.
            self.edges.partition_point(|edge| *edge < number)
        } else {
            self.values.iter().position(|value| value == text).unwrap_or(self.values.len())
        };
        if let Some(count) = self.counts.get_mut(bin) {
            *count += 1;
        }
    }

    /// Population stability index: the sum of (new - old) * ln(new / old) over the bins; shares are at least
    /// 0.0001.
    pub fn index(&self) -> f64 {
        let total = self.counts.iter().sum::<u64>().max(1) as f64;
        let each = self.counts.iter().zip(&self.expected).map(|(count, old)| {
            let (new, old) = ((*count as f64 / total).max(1e-4), old.max(1e-4));
            (new - old) * (new / old).ln()
        });
        each.sum()
    }
}

impl Drift {
    /// Population stability index between two profiles without their rows: shares below the old deciles are
    /// interpolated linearly, other shares come from the most frequent values. `None` if there is nothing to
    /// compare.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is 0 to 1")]
    pub fn between(old: &ColumnProfile, new: &ColumnProfile) -> Option<f64> {
        let mut drift = Self::from(old);
        if drift.expected.len() < 2 {
            return None;
        }
        // Counts are integers, so shares are scaled to a million.
        let parts = |share: f64| (share.clamp(0.0, 1.0) * 1e6).round() as u64;
        match &new.numbers {
            Some(numbers) if drift.values.is_empty() => {
                let below: Vec<f64> =
                    drift.edges.iter().map(|edge| numbers.below(*edge)).chain([1.0]).collect();
                let mut before = 0.0;
                for (count, below) in drift.counts.iter_mut().zip(below) {
                    *count = parts(below - before);
                    before = below;
                }
            }
            None if !drift.values.is_empty() => {
                let present = (new.rows - new.missing).max(1) as f64;
                let mut rest = 1.0;
                for (value, count) in drift.values.iter().zip(&mut drift.counts) {
                    let found = new.top.iter().find(|(other, _)| other == value);
                    let share = found.map_or(0.0, |(_, n)| *n as f64 / present);
                    *count = parts(share);
                    rest -= share;
                }
                *drift.counts.last_mut()? = parts(rest);
            }
            _ => return None,
        }
        Some(drift.index())
    }
}

impl NumberProfile {
    /// Share of values up to `edge`, interpolated linearly.
    fn below(&self, edge: f64) -> f64 {
        let q = &self.quantiles;
        let above = q.partition_point(|value| *value <= edge);
        if above == 0 || q.len() < 2 {
            return 0.0;
        }
        if above == q.len() {
            return 1.0;
        }
        let (low, high) = (q[above - 1], q[above]);
        let step = 1.0 / (q.len() - 1) as f64;
        step * ((above - 1) as f64 + (edge - low) / (high - low))
    }
}
