//! Series whose steps are rows of the table: windows, and what follows them.

use cupola_spec::Scaling;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::examples::Filling;
use crate::frame::{Frame, SEND, finite};
use crate::stats::Moments;

/// A column of a windowed series: `(value or the last one before it - shift) * factor`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedSeries {
    /// The column.
    pub column: String,
    /// Stands for missing values before the first one: the training mean.
    pub fill: f64,
    /// Subtracted first.
    pub shift: f64,
    /// Multiplied then.
    pub factor: f64,
}

impl FittedSeries {
    pub(crate) fn fit(column: &str, scale: Scaling, frame: &Frame) -> Result<Self, Error> {
        let values = frame.require(column, SEND)?;
        let (mut moments, mut present) = (Moments::default(), Moments::default());
        for row in 0..frame.rows() {
            finite(column, values, row)?.into_iter().for_each(|value| present.add(value));
        }
        let fill = present.mean();
        filled(column, fill, frame)?.into_iter().for_each(|value| moments.add(value));
        let (shift, factor) = moments.scaling(scale);
        Ok(Self { column: column.to_owned(), fill, shift, factor })
    }

    /// The scaled value of each row.
    fn scaled(&self, frame: &Frame) -> Result<Vec<f64>, Error> {
        let values = filled(&self.column, self.fill, frame)?;
        Ok(values.into_iter().map(|value| (value - self.shift) * self.factor).collect())
    }
}

/// A column with each missing value replaced by the last one before it.
pub(crate) fn filled(column: &str, fill: f64, frame: &Frame) -> Result<Vec<f64>, Error> {
    let values = frame.require(column, SEND)?;
    let mut last = fill;
    let each = (0..frame.rows()).map(|row| {
        last = finite(column, values, row)?.unwrap_or(last);
        Ok(last)
    });
    each.collect()
}

/// Writes the window that ends at each row but the first `window - 1`: `[window, columns]`.
pub(crate) fn apply(
    columns: &[FittedSeries],
    window: usize,
    frame: &Frame,
    out: &mut Filling,
) -> Result<(), Error> {
    let at = out.take_dense(window * columns.len());
    for (channel, column) in columns.iter().enumerate() {
        for (row, values) in column.scaled(frame)?.windows(window).enumerate() {
            for (step, value) in values.iter().enumerate() {
                out.set_dense(row, at + step * columns.len() + channel, *value);
            }
        }
    }
    Ok(())
}

/// Refuses a table that is shorter than a window.
pub(crate) fn long_enough(window: usize, rows: usize, name: &str) -> Result<(), Error> {
    if rows >= window {
        return Ok(());
    }
    let why = format!("{rows} rows, but a window has {window}; send that many, the latest one last");
    Err(Error::Input { input: name.to_owned(), why })
}

/// Mean absolute difference between each value and the one `season` rows before: what a forecast is
/// compared with (Hyndman and Koehler 2006). `None` where there is no such pair, or no change.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn naive_error(values: &[f64], season: usize) -> Option<f64> {
    let pairs = values.iter().skip(season).zip(values);
    let changes: Vec<f64> =
        pairs.map(|(later, earlier)| (later - earlier).abs()).filter(|change| !change.is_nan()).collect();
    let mean = changes.iter().sum::<f64>() / changes.len() as f64;
    (mean > 0.0).then_some(mean)
}
