//! Weights of rows.

/// Weights of rows, all 1 where there are none. A row of weight 0 counts as absent, so that the counts of a
/// bootstrap's resample serve as weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowWeights<'a>(pub Option<&'a [f64]>);

impl RowWeights<'_> {
    /// Weight of a row; 0 beyond the end of the list.
    pub fn of(self, row: usize) -> f64 {
        self.0.map_or(1.0, |weights| weights.get(row).copied().unwrap_or_default())
    }

    /// Sum over the first `rows` rows.
    pub fn sum(self, rows: usize) -> f64 {
        self.0.map_or(rows as f64, |weights| weights.iter().take(rows).sum())
    }
}
