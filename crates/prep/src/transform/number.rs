//! Numbers: missing values filled, outliers handled, then scaled or encoded by bins.

mod fit;

use cupola_spec::OutlierAction;
use serde::{Deserialize, Serialize};

use super::curve::Curve;
use crate::error::Error;
use crate::examples::{EncodedColumns, ExampleBuilder};
use crate::frame::{Frame, SEND_TRAINED_COLUMNS, finite};

pub(super) use self::fit::NumberFit;

/// Fitted transform of a column of numbers: `(curve(value or fill, within bounds) - shift) * factor`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedNumber {
    /// Name of the column.
    pub column: String,
    /// Replacement for a missing value.
    pub fill: f64,
    /// `true` if missing values stay NaN, which trees split on.
    #[serde(default, skip_serializing_if = "is_false")]
    pub keep_missing: bool,
    /// `true` if an extra column is 1 where the value is missing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub indicator: bool,
    /// Range outside of which a value is an outlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<[f64; 2]>,
    /// Treatment of outliers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outliers: Option<OutlierAction>,
    /// Curve that is applied before the shift.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curve: Option<Curve>,
    /// Subtracted from the value.
    pub shift: f64,
    /// Multiplied with the shifted value; 1 for a constant column.
    pub factor: f64,
    /// Edges of the bins of a piecewise-linear encoding, which replaces the scaling.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<f64>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl FittedNumber {
    /// Number of bins; 0 if the number is scaled.
    fn bins(&self) -> usize {
        self.edges.len().saturating_sub(1)
    }

    fn flags_outliers(&self) -> bool {
        self.outliers == Some(OutlierAction::Flag)
    }

    /// Number of encoded columns: bins, the indicator of missing values, the flag of outliers.
    fn encoded_width(&self) -> usize {
        self.bins() + usize::from(self.indicator) + usize::from(self.flags_outliers())
    }

    fn is_outlier(&self, value: f64) -> bool {
        self.bounds.is_some_and(|[low, high]| !(low..=high).contains(&value))
    }

    /// Number of scaled numbers in the table: 0 if the number is encoded by bins.
    pub(crate) fn numbers(&self) -> usize {
        usize::from(self.bins() == 0)
    }

    /// Encoded columns in the table.
    pub(crate) fn encoded(&self) -> impl Iterator<Item = EncodedColumns> {
        let width = self.encoded_width();
        (width > 0).then_some(EncodedColumns::Copy(width)).into_iter()
    }

    /// Sets `drop` for the rows that training leaves out because of this column.
    pub(super) fn mark_dropped(&self, frame: &Frame, drop: &mut [bool]) -> Result<(), Error> {
        if self.outliers != Some(OutlierAction::Drop) || self.bounds.is_none() {
            return Ok(());
        }
        let values = frame.require(&self.column, SEND_TRAINED_COLUMNS)?;
        for (row, drop) in drop.iter_mut().enumerate() {
            let value = finite(&self.column, values, row)?;
            *drop |= value.is_some_and(|value| self.is_outlier(value));
        }
        Ok(())
    }

    /// Writes the columns of all rows. `imputed` replaces missing values row by row instead of the fill.
    pub(super) fn apply(
        &self,
        frame: &Frame,
        imputed: Option<&[f64]>,
        out: &mut ExampleBuilder,
    ) -> Result<(), Error> {
        let values = frame.require(&self.column, SEND_TRAINED_COLUMNS)?;
        let bins = self.bins();
        let number = (bins == 0).then(|| out.take_number());
        let width = self.encoded_width();
        let at = out.take_encoded(width);
        for row in 0..frame.rows() {
            let found = finite(&self.column, values, row)?;
            let outlier = found.is_some_and(|value| self.is_outlier(value));
            let fixed = if self.keep_missing { f64::NAN } else { self.fill };
            let fill = || imputed.map_or(fixed, |imputed| imputed[row]);
            let value = self.treated(found, outlier, fill);
            if let Some(number) = number {
                let curve = self.curve.as_ref().filter(|_| !value.is_nan());
                let bent = curve.map_or(value, |curve| curve.apply(value));
                out.set_dense(row, number, (bent - self.shift) * self.factor);
            }
            for (bin, edges) in self.edges.windows(2).enumerate() {
                let position = bin_position(value, [edges[0], edges[1]], bin == 0, bin + 1 == bins);
                out.set_dense(row, at + bin, position);
            }
            if self.indicator && found.is_none() {
                out.set_dense(row, at + bins, 1.0);
            }
            if self.flags_outliers() && outlier {
                out.set_dense(row, at + width - 1, 1.0);
            }
        }
        Ok(())
    }

    /// The value after filling and the treatment of outliers.
    fn treated(&self, found: Option<f64>, outlier: bool, fill: impl Fn() -> f64) -> f64 {
        let value = match found {
            Some(_) if outlier && self.outliers == Some(OutlierAction::Missing) => fill(),
            Some(value) => value,
            None => fill(),
        };
        match (self.outliers, self.bounds) {
            (Some(OutlierAction::Clip), Some([low, high])) => value.clamp(low, high),
            _ => value,
        }
    }
}

/// Position of `value` within a bin: 0 before it, 1 after it. The first and the last bin extrapolate beyond their
/// outer edges (Gorishniy et al. 2022, equation 1).
fn bin_position(value: f64, [low, high]: [f64; 2], first: bool, last: bool) -> f64 {
    let position = (value - low) / (high - low);
    let position = if first { position } else { position.max(0.0) };
    if last { position } else { position.min(1.0) }
}
