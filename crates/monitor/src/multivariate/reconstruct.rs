//! Principal components of a reference, and what they leave of other rows.

use nalgebra::{DMatrix, SymmetricEigen};

use super::encode::ColumnEncoder;
use super::features::FeatureTable;
use crate::error::Error;

/// Share of the variance that the components exceed.
const VARIANCE: f64 = 0.65;
/// Most columns: the time of the decomposition grows with their third power.
pub(super) const MOST_COLUMNS: usize = 500;

/// Principal components of standardised columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reconstruction {
    pub encoders: Vec<ColumnEncoder>,
    /// Columns that have no values in the reference, or are beyond the limit.
    pub left_out: Vec<String>,
    /// Means of the standardised columns: 0 but for rounding.
    means: Vec<f64>,
    /// Directions `[components][columns]` of length 1.
    pub components: Vec<Vec<f64>>,
    /// Share of the variance of the reference in the directions.
    pub explained: f64,
}

impl Reconstruction {
    /// Directions of most variance (Pearson 1901), so many that they exceed 65 % of it.
    pub fn fit(reference: &FeatureTable) -> Result<Self, Error> {
        let (mut encoders, mut left_out) = (Vec::new(), Vec::new());
        for column in &reference.columns {
            match ColumnEncoder::fit(column).filter(|_| encoders.len() < MOST_COLUMNS) {
                Some(encoder) => encoders.push(encoder),
                None => left_out.push(column.name.clone()),
            }
        }
        let mut own = Self { encoders, left_out, means: Vec::new(), components: Vec::new(), explained: 0.0 };
        let columns = own.encoded(reference)?;
        if columns.len() < 2 || reference.rows() < 2 {
            return Err(Error::TooFewFeatures);
        }
        #[allow(clippy::cast_precision_loss, reason = "counts of rows in memory")]
        let rows = reference.rows() as f64;
        own.means = columns.iter().map(|values| values.iter().sum::<f64>() / rows).collect();
        let covariance = DMatrix::from_fn(columns.len(), columns.len(), |row, column| {
            if column > row {
                return 0.0;
            }
            let (left, right) = (own.means[row], own.means[column]);
            let pairs = columns[row].iter().zip(&columns[column]);
            pairs.map(|(a, b)| (a - left) * (b - right)).sum::<f64>() / (rows - 1.0)
        });
        own.decompose(covariance);
        Ok(own)
    }

    /// Takes the lower triangle of the covariances.
    fn decompose(&mut self, covariance: DMatrix<f64>) {
        let found = SymmetricEigen::new(covariance);
        let mut order: Vec<usize> = (0..found.eigenvalues.len()).collect();
        order.sort_by(|a, b| found.eigenvalues[*b].total_cmp(&found.eigenvalues[*a]));
        let total: f64 = found.eigenvalues.iter().sum();
        let mut sum = 0.0;
        for at in order {
            self.components.push(found.eigenvectors.column(at).iter().copied().collect());
            sum += found.eigenvalues[at];
            if sum / total > VARIANCE {
                break;
            }
        }
        self.explained = if total > 0.0 { sum / total } else { 1.0 };
    }

    /// Standardised columns `[columns][rows]`.
    fn encoded(&self, table: &FeatureTable) -> Result<Vec<Vec<f64>>, Error> {
        let column = |encoder: &ColumnEncoder| {
            let found = table.columns.iter().find(|column| column.name == encoder.name);
            let values = found.and_then(|column| encoder.encode(&column.values));
            values.ok_or_else(|| Error::MissingFeature(encoder.name.clone()))
        };
        self.encoders.iter().map(column).collect()
    }

    /// Distance of each row from its reconstruction by the components.
    pub fn errors(&self, table: &FeatureTable) -> Result<Vec<f64>, Error> {
        let columns = self.encoded(table)?;
        if self.components.len() == columns.len() {
            // The components explain everything, but for rounding.
            return Ok(vec![0.0; table.rows()]);
        }
        let mut row_values = vec![0.0; columns.len()];
        let mut rest = row_values.clone();
        let error = |row: usize| {
            for ((value, column), mean) in row_values.iter_mut().zip(&columns).zip(&self.means) {
                *value = column[row] - mean;
            }
            rest.copy_from_slice(&row_values);
            for component in &self.components {
                let along: f64 = component.iter().zip(&row_values).map(|(a, b)| a * b).sum();
                rest.iter_mut().zip(component).for_each(|(rest, part)| *rest -= along * part);
            }
            rest.iter().map(|value| value * value).sum::<f64>().sqrt()
        };
        Ok((0..table.rows()).map(error).collect())
    }
}
