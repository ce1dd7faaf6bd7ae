//! Imputation of missing numbers from the nearest training rows.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::frame::{Frame, SEND_TRAINED_COLUMNS, finite};

/// Training rows that are stored: the first ones, which are a random sample as the split orders rows by a hash.
const MAX_DONORS: usize = 1000;
/// Neighbours whose mean replaces a missing value.
const NEIGHBOURS: usize = 5;

/// Training rows whose values replace missing ones, as in scikit-learn's `KNNImputer` (Troyanskaya et al. 2001).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Donors {
    /// Names of the columns.
    columns: Vec<String>,
    /// Values by row, `None` where missing.
    rows: Vec<Vec<Option<f64>>>,
}

impl Donors {
    /// Creates an empty set.
    pub(super) fn new(columns: &[String]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds training rows up to the limit.
    pub(super) fn observe(&mut self, frame: &Frame) -> Result<(), Error> {
        let missing = MAX_DONORS.saturating_sub(self.rows.len()).min(frame.rows());
        if missing > 0 {
            self.rows.extend(rows_of(&self.columns, &frame.slice(0, missing))?);
        }
        Ok(())
    }

    /// Replacements of missing values: a list per column with one number per row. `fills` where no donor has a value.
    pub(super) fn impute(&self, frame: &Frame, fills: &[f64]) -> Result<Vec<Vec<f64>>, Error> {
        let rows = rows_of(&self.columns, frame)?;
        let mut out: Vec<Vec<f64>> = fills.iter().map(|fill| vec![*fill; rows.len()]).collect();
        for (index, row) in rows.iter().enumerate().filter(|(_, row)| row.iter().any(Option::is_none)) {
            let nearest = self.nearest(row);
            for (column, _) in row.iter().enumerate().filter(|(_, value)| value.is_none()) {
                let values = nearest.iter().filter_map(|donor| self.rows[*donor][column]).take(NEIGHBOURS);
                let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
                if count > 0.0 {
                    out[column][index] = sum / count;
                }
            }
        }
        Ok(out)
    }

    /// Indices of the donors that share a column with the row, nearest first.
    fn nearest(&self, row: &[Option<f64>]) -> Vec<usize> {
        let donors = self.rows.iter().enumerate();
        let mut by_distance: Vec<(f64, usize)> =
            donors.filter_map(|(index, donor)| Some((distance(row, donor)?, index))).collect();
        by_distance.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        by_distance.into_iter().map(|(_, index)| index).collect()
    }
}

/// Values of some columns by row, `None` where missing.
pub(super) fn rows_of<T: AsRef<str>>(columns: &[T], frame: &Frame) -> Result<Vec<Vec<Option<f64>>>, Error> {
    let mut rows = vec![Vec::with_capacity(columns.len()); frame.rows()];
    for column in columns.iter().map(AsRef::as_ref) {
        let values = frame.require(column, SEND_TRAINED_COLUMNS)?;
        for (row, out) in rows.iter_mut().enumerate() {
            out.push(finite(column, values, row)?);
        }
    }
    Ok(rows)
}

/// Squared Euclidean distance over the columns that both rows have, scaled up to all columns (Dixon 1979). `None`
/// if they share no column.
fn distance(a: &[Option<f64>], b: &[Option<f64>]) -> Option<f64> {
    let both = a.iter().zip(b).filter_map(|(a, b)| Some((a.as_ref()? - b.as_ref()?).powi(2)));
    let (sum, count) = both.fold((0.0, 0.0), |(sum, count), square| (sum + square, count + 1.0));
    (count > 0.0).then(|| sum * a.len() as f64 / count)
}
