//! Numbers: filled, then scaled or encoded by bins.

use cupola_spec::Scaling;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::examples::Filling;
use crate::frame::{Column, Frame, number_text};
use crate::transform::SEND;

/// `(value or fill - shift) * factor`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedNumber {
    /// The column.
    pub column: String,
    /// Stands for a missing value: the training median.
    pub fill: f64,
    /// Subtracted first.
    pub shift: f64,
    /// Multiplied then; 1 for a constant column.
    pub factor: f64,
    /// Edges of the bins of a piecewise-linear encoding, which takes the place of the scaling.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<f64>,
}

impl FittedNumber {
    pub(crate) fn fit(
        column: &str,
        scale: Scaling,
        bins: Option<usize>,
        frame: &Frame,
    ) -> Result<Self, Error> {
        let values = frame.require(column, SEND)?;
        let mut present = Vec::with_capacity(frame.rows());
        for row in 0..frame.rows() {
            present.extend(finite(column, values, row)?);
        }
        let missing = frame.rows() - present.len();
        let fill = median(&mut present);
        let mut moments = Moments::default();
        for &value in &present {
            moments.add(value);
        }
        for _ in 0..missing {
            moments.add(fill);
        }
        let (shift, factor) = moments.scaling(scale);
        present.extend(std::iter::repeat_n(fill, missing));
        let edges = bins.map_or_else(Vec::new, |bins| quantile_edges(&mut present, bins));
        Ok(Self { column: column.to_owned(), fill, shift, factor, edges })
    }

    /// Columns of its encoding; 0 where it is only scaled.
    pub(crate) fn encoded_width(&self) -> usize {
        self.edges.len().saturating_sub(1)
    }

    pub(crate) fn apply(&self, frame: &Frame, out: &mut Filling) -> Result<(), Error> {
        let values = frame.require(&self.column, SEND)?;
        let width = self.encoded_width();
        let at = if width == 0 { out.take_number() } else { out.take_encoded(width) };
        for row in 0..frame.rows() {
            let value = finite(&self.column, values, row)?.unwrap_or(self.fill);
            if width == 0 {
                out.set_dense(row, at, (value - self.shift) * self.factor);
            }
            for (bin, edges) in self.edges.windows(2).enumerate() {
                out.set_dense(row, at + bin, share(value, edges[0], edges[1], bin == 0, bin + 1 == width));
            }
        }
        Ok(())
    }
}

/// How far `value` is through a bin: 0 before it, 1 after it; the first and the last bin go on
/// beyond their outer edges (Gorishniy et al. 2022, equation 1).
fn share(value: f64, low: f64, high: f64, first: bool, last: bool) -> f64 {
    let share = (value - low) / (high - low);
    let share = if first { share } else { share.max(0.0) };
    if last { share } else { share.min(1.0) }
}

/// Different edges of `bins` bins of equal share, by linear interpolation as `numpy.quantile` has it;
/// a constant gets one bin around it.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn quantile_edges(values: &mut [f64], bins: usize) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else { return vec![0.0, 1.0] };
    let mut edges: Vec<f64> = (0..=bins)
        .map(|i| {
            let place = last as f64 * i as f64 / bins as f64;
            let below = place.floor() as usize;
            let above = (below + 1).min(last);
            values[below] + (values[above] - values[below]) * (place - below as f64)
        })
        .collect();
    edges.dedup();
    if edges.len() < 2 {
        edges = vec![edges[0] - 0.5, edges[0] + 0.5];
    }
    edges
}

/// The number at a row, `None` where it is missing; never infinite.
pub(crate) fn finite(name: &str, column: &Column, row: usize) -> Result<Option<f64>, Error> {
    let wrong = |found: String| Error::Value {
        row: row + 1,
        column: name.to_owned(),
        expected: "a finite number".to_owned(),
        found,
        remedy: "mend the value, or leave it empty for missing".to_owned(),
    };
    match column.number(row) {
        Ok(Some(value)) if value.is_infinite() => Err(wrong(number_text(value))),
        Ok(value) => Ok(value),
        Err(text) => Err(wrong(format!("`{text}`"))),
    }
}

pub(crate) fn pixel(name: &str, column: &Column, row: usize) -> Result<f64, Error> {
    finite(name, column, row)?.ok_or_else(|| Error::Value {
        row: row + 1,
        column: name.to_owned(),
        expected: "a number".to_owned(),
        found: "nothing".to_owned(),
        remedy: "send every value of the image or the series".to_owned(),
    })
}

/// Median, the mean of the two middle values for an even count; 0 of nothing.
fn median(values: &mut [f64]) -> f64 {
    let n = values.len();
    if n == 0 {
        return 0.0;
    }
    values.sort_unstable_by(f64::total_cmp);
    f64::midpoint(values[(n - 1) / 2], values[n / 2])
}

/// Count, mean and squared deviations in one pass (Welford 1962), and the range.
#[derive(Debug, Default, Clone)]
pub(crate) struct Moments {
    count: f64,
    mean: f64,
    m2: f64,
    range: Option<(f64, f64)>,
}

impl Moments {
    pub fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.m2 += delta * (value - self.mean);
        let (low, high) = self.range.unwrap_or((value, value));
        self.range = Some((low.min(value), high.max(value)));
    }

    /// Of all values; 0 of none.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// `(shift, factor)` of a scaling; a constant keeps factor 1.
    pub fn scaling(&self, scaling: Scaling) -> (f64, f64) {
        let inverse = |spread: f64| if spread > 1e-12 { 1.0 / spread } else { 1.0 };
        let (low, high) = self.range.unwrap_or((0.0, 1.0));
        match scaling {
            Scaling::None => (0.0, 1.0),
            Scaling::Standard => (self.mean, inverse((self.m2 / self.count.max(1.0)).sqrt())),
            Scaling::MinMax => (low, inverse(high - low)),
        }
    }
}
