//! Verdict over all columns.

use serde::Serialize;

use super::ColumnDrift;
use crate::profile::ColumnRole;

/// Share of drifted columns from which a data set has drifted, unless another one is given.
pub const MAX_DRIFTED_SHARE: f64 = 0.5;

/// Drift of all columns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DatasetDrift {
    /// Number of columns that were compared, without probabilities: they move with the prediction.
    pub compared: usize,
    /// Number of these that have drifted.
    pub drifted: usize,
    /// Share of these that have drifted; 0 without columns.
    pub share: f64,
    /// Share from which the data set has drifted.
    pub max_share: f64,
    /// `true` if the data set has drifted.
    pub drift: bool,
    /// Columns, those that drifted most first.
    pub columns: Vec<ColumnDrift>,
}

impl DatasetDrift {
    /// Verdict over compared columns.
    #[allow(clippy::cast_precision_loss, reason = "a number of columns")]
    pub fn of(mut columns: Vec<ColumnDrift>, max_share: f64) -> Self {
        columns.sort_by(|a, b| {
            let order = b.drifted.cmp(&a.drifted).then(b.severity.total_cmp(&a.severity));
            order.then_with(|| a.key.name.cmp(&b.key.name))
        });
        let counted = columns.iter().filter(|column| column.key.role != ColumnRole::Probability);
        let compared = counted.clone().count();
        let drifted = counted.filter(|column| column.drifted).count();
        let share = if compared == 0 { 0.0 } else { drifted as f64 / compared as f64 };
        Self { compared, drifted, share, max_share, drift: compared > 0 && share >= max_share, columns }
    }
}
