//! Rows and columns of a round: functions of the seed and the round.

use super::options::BoostOptions;

impl BoostOptions {
    /// Rows that the trees of a round are grown on, ascending (Friedman 2002).
    pub(crate) fn sampled_rows(&self, round: usize, rows: usize) -> Vec<u32> {
        let all = (0..).take(rows);
        if self.rows >= 1.0 {
            return all.collect();
        }
        let drawn: Vec<u32> = all
            .clone()
            .filter(|&row| uniform([self.seed, round as u64, u64::from(row)]) < self.rows)
            .collect();
        if drawn.is_empty() { all.collect() } else { drawn }
    }

    /// For each column, `true` if the trees of a round may split on it.
    pub(crate) fn sampled_columns(&self, round: usize, columns: usize) -> Vec<bool> {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the columns")]
        let count = ((self.columns * columns as f64).round() as usize).clamp(1, columns.max(1));
        if count >= columns {
            return vec![true; columns];
        }
        let mut order: Vec<usize> = (0..columns).collect();
        // A stream of its own, apart from that of rows.
        order.sort_by_key(|&column| mix([!self.seed, round as u64, column as u64]));
        let mut used = vec![false; columns];
        order.iter().take(count).for_each(|&column| used[column] = true);
        used
    }
}

/// Number in `[0, 1)`.
fn uniform(key: [u64; 3]) -> f64 {
    (mix(key) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Hash of a key by the finaliser of `SplitMix64` (Steele, Lea and Flood 2014).
fn mix(key: [u64; 3]) -> u64 {
    key.into_iter().fold(0x9e37_79b9_7f4a_7c15, |state, part| {
        let mut z = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}
