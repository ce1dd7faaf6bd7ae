//! Series whose steps are rows of the table, cut into windows.

use cupola_spec::Scaling;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::examples::ExampleBuilder;
use crate::frame::{Frame, SEND_TRAINED_COLUMNS, finite};
use crate::stats::Moments;

/// Fitted transform of a column of a windowed series: `(value - shift) * factor`, where a missing value is the last
/// one before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedSeries {
    /// Name of the column.
    pub column: String,
    /// Replacement for missing values before the first one: the training mean.
    pub fill: f64,
    /// Subtracted first.
    pub shift: f64,
    /// Multiplied then.
    pub factor: f64,
}

impl FittedSeries {
    /// Fits the transform to the training rows.
    pub(super) fn fit(column: &str, scale: Scaling, frame: &Frame) -> Result<Self, Error> {
        let values = frame.require(column, SEND_TRAINED_COLUMNS)?;
        let mut present = Moments::default();
        for row in 0..frame.rows() {
            finite(column, values, row)?.into_iter().for_each(|value| present.add(value));
        }
        let fill = present.mean();
        let filled: Moments = forward_filled(column, fill, frame)?.into_iter().collect();
        let (shift, factor) = filled.scaling(scale);
        Ok(Self { column: column.to_owned(), fill, shift, factor })
    }

    fn scaled(&self, frame: &Frame) -> Result<Vec<f64>, Error> {
        let values = forward_filled(&self.column, self.fill, frame)?;
        Ok(values.into_iter().map(|value| (value - self.shift) * self.factor).collect())
    }
}

/// Values of a column, each missing one replaced by the last one before it.
fn forward_filled(column: &str, fill: f64, frame: &Frame) -> Result<Vec<f64>, Error> {
    let values = frame.require(column, SEND_TRAINED_COLUMNS)?;
    let mut last = fill;
    let each = (0..frame.rows()).map(|row| {
        last = finite(column, values, row)?.unwrap_or(last);
        Ok(last)
    });
    each.collect()
}

/// Writes the window `[window, columns]` that ends at each row but the first `window - 1`.
pub(super) fn apply(
    columns: &[FittedSeries],
    window: usize,
    frame: &Frame,
    out: &mut ExampleBuilder,
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

/// Mean absolute difference between each value and the one `season` rows before in its series, the scale of a
/// forecast's error (Hyndman and Koehler 2006). `None` if there is no such pair or no difference.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn seasonal_naive_error<'a>(
    series: impl IntoIterator<Item = &'a [f64]>,
    season: usize,
) -> Option<f64> {
    let (mut sum, mut pairs) = (0.0, 0_usize);
    for values in series {
        for (later, earlier) in values.iter().skip(season).zip(values) {
            let change = (later - earlier).abs();
            if !change.is_nan() {
                sum += change;
                pairs += 1;
            }
        }
    }
    let mean = sum / pairs as f64;
    (mean > 0.0).then_some(mean)
}
