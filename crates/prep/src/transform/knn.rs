//! Missing numbers from the rows that are most alike.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::frame::{Frame, SEND, finite};

/// Rows that are compared with: the first ones of the training split, which is in the order of a hash.
const DONORS: usize = 1000;
/// Rows whose mean it is.
const NEIGHBOURS: usize = 5;

/// Training rows of some columns; NaN is missing. As scikit-learn's `KNNImputer` (Troyanskaya et al. 2001).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Donors {
    /// The columns.
    columns: Vec<String>,
    /// Their values, `None` where missing.
    rows: Vec<Vec<Option<f64>>>,
}

impl Donors {
    pub(crate) fn new(columns: &[String]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn see(&mut self, frame: &Frame) -> Result<(), Error> {
        let wanted = DONORS.saturating_sub(self.rows.len()).min(frame.rows());
        if wanted > 0 {
            self.rows.extend(table(&self.columns, &frame.slice(0, wanted))?);
        }
        Ok(())
    }

    /// For each column what stands for each row's value where it is missing; `fills` where no donor has one.
    pub(crate) fn nearest(&self, frame: &Frame, fills: &[f64]) -> Result<Vec<Vec<f64>>, Error> {
        let rows = table(&self.columns, frame)?;
        let mut out: Vec<Vec<f64>> = fills.iter().map(|fill| vec![*fill; rows.len()]).collect();
        for (index, row) in rows.iter().enumerate().filter(|(_, row)| row.iter().any(Option::is_none)) {
            let mut near: Vec<(f64, usize)> = self
                .rows
                .iter()
                .enumerate()
                .filter_map(|(place, donor)| Some((distance(row, donor)?, place)))
                .collect();
            near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            for (column, _) in row.iter().enumerate().filter(|(_, value)| value.is_none()) {
                let values = near.iter().filter_map(|(_, place)| self.rows[*place][column]).take(NEIGHBOURS);
                let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
                if count > 0.0 {
                    out[column][index] = sum / count;
                }
            }
        }
        Ok(out)
    }
}

/// Values of some columns row by row, `None` where missing.
pub(crate) fn table<T: AsRef<str>>(columns: &[T], frame: &Frame) -> Result<Vec<Vec<Option<f64>>>, Error> {
    let mut rows = vec![Vec::with_capacity(columns.len()); frame.rows()];
    for column in columns.iter().map(AsRef::as_ref) {
        let values = frame.require(column, SEND)?;
        for (row, out) in rows.iter_mut().enumerate() {
            out.push(finite(column, values, row)?);
        }
    }
    Ok(rows)
}

/// Euclidean over the columns that both have, scaled up to all (Dixon 1979); `None` where there is none.
fn distance(a: &[Option<f64>], b: &[Option<f64>]) -> Option<f64> {
    let both = a.iter().zip(b).filter_map(|(a, b)| Some((a.as_ref()? - b.as_ref()?).powi(2)));
    let (sum, count) = both.fold((0.0, 0.0), |(sum, count), square| (sum + square, count + 1.0));
    (count > 0.0).then(|| sum * a.len() as f64 / count)
}
