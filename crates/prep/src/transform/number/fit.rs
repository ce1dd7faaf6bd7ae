//! Fitting of a column of numbers.

use cupola_spec::{Fill, Input, OutlierAction, OutlierRule, Outliers, Scaling};

use super::FittedNumber;
use crate::error::Error;
use crate::frame::{Frame, SEND_TRAINED_COLUMNS, finite};
use crate::stats::{Moments, Sketch, median, quantile};
use crate::transform::Curve;

/// Interquartile range below which a column counts as constant.
const CONSTANT: f64 = 1e-12;

/// Column of numbers being fitted, with the distribution of the rows so far.
#[derive(Debug)]
pub(crate) struct NumberFit {
    column: String,
    sketch: Sketch,
}

impl NumberFit {
    /// Starts a fit. If `exact`, all values are stored, however many there are.
    pub fn new(column: &str, exact: bool) -> Self {
        Self { column: column.to_owned(), sketch: Sketch::new(exact) }
    }

    /// Name of the column.
    pub fn column(&self) -> &str {
        &self.column
    }

    /// Number of values so far.
    pub fn present(&self) -> usize {
        self.sketch.present()
    }

    /// Adds training rows.
    pub fn observe(&mut self, frame: &Frame) -> Result<(), Error> {
        let values = frame.require(&self.column, SEND_TRAINED_COLUMNS)?;
        for row in 0..frame.rows() {
            self.sketch.add(finite(&self.column, values, row)?);
        }
        Ok(())
    }

    /// Computes the transform.
    pub fn finish(self, input: &Input) -> FittedNumber {
        let mut sorted = self.sketch.sorted();
        // The isolation forest rates whole rows, not single values.
        let outliers = input.outliers.filter(|outliers| outliers.by != OutlierRule::Isolation);
        let bounds = outliers.map(|outliers| bounds(&outliers, &sorted, &self.sketch.moments()));
        let changed = treat_outliers(outliers.map(|outliers| outliers.action), bounds, &mut sorted);
        // Exact moments describe the values only if the treatment changed none of them.
        let exact = (!changed).then(|| self.sketch.moments());
        let fill = fill_value(input.fill.as_ref(), &sorted, exact.as_ref());
        let scale = input.scale.unwrap_or(Scaling::Standard);
        let filled = self.with_filled(&sorted, fill);
        let curve = Curve::fit(scale, &filled);
        let moments = match (&curve, exact) {
            (None, Some(mut moments)) => {
                moments.add_many(fill, self.sketch.missing());
                moments
            }
            (None, None) => filled.iter().copied().collect(),
            (Some(curve), _) => filled.iter().map(|value| curve.apply(*value)).collect(),
        };
        let (shift, factor) = scaling(scale, &filled, &moments);
        FittedNumber {
            column: self.column,
            fill,
            keep_missing: matches!(&input.fill, Some(Fill::Name(name)) if name == "none"),
            indicator: input.indicator == Some(true),
            bounds,
            outliers: outliers.map(|outliers| outliers.action),
            curve,
            shift,
            factor,
            edges: input.bins.map_or_else(Vec::new, |bins| quantile_edges(&filled, bins)),
        }
    }

    /// Sorted values with the fills of missing values among them. For quantiles of a digest, the number of fills
    /// is scaled down like the values.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn with_filled(&self, sorted: &[f64], fill: f64) -> Vec<f64> {
        let missing = self.sketch.missing();
        let share = sorted.len() as f64 / self.sketch.present().max(1) as f64;
        let count = if share >= 1.0 { missing } else { (missing as f64 * share).round() as usize };
        let mut filled = Vec::with_capacity(sorted.len() + count);
        let at = sorted.partition_point(|value| *value < fill);
        filled.extend_from_slice(&sorted[..at]);
        filled.extend(std::iter::repeat_n(fill, count));
        filled.extend_from_slice(&sorted[at..]);
        filled
    }
}

fn bounds(outliers: &Outliers, sorted: &[f64], moments: &Moments) -> [f64; 2] {
    match outliers.by {
        OutlierRule::Iqr => {
            let (low, high) = (quantile(sorted, 0.25), quantile(sorted, 0.75));
            let reach = outliers.limit.unwrap_or(1.5) * (high - low);
            [low - reach, high + reach]
        }
        OutlierRule::ZScore => {
            let reach = outliers.limit.unwrap_or(3.0) * moments.deviation();
            [moments.mean() - reach, moments.mean() + reach]
        }
        OutlierRule::Isolation => [f64::MIN, f64::MAX],
    }
}

/// Clips the sorted values, or removes those that are filled or dropped. `true` if values may have changed.
fn treat_outliers(action: Option<OutlierAction>, bounds: Option<[f64; 2]>, sorted: &mut Vec<f64>) -> bool {
    let [low, high] = bounds.unwrap_or([f64::MIN, f64::MAX]);
    match action {
        Some(OutlierAction::Clip) => {
            for value in sorted {
                *value = value.clamp(low, high);
            }
            true
        }
        Some(OutlierAction::Missing | OutlierAction::Drop) => {
            sorted.retain(|value| (low..=high).contains(value));
            true
        }
        Some(OutlierAction::Flag) | None => false,
    }
}

/// Replacement for missing values.
fn fill_value(fill: Option<&Fill>, sorted: &[f64], exact: Option<&Moments>) -> f64 {
    let mean = || match exact {
        Some(moments) => moments.mean(),
        None => sorted.iter().sum::<f64>() / sorted.len().max(1) as f64,
    };
    match fill {
        Some(Fill::Number(number)) => *number,
        // The mean is the fallback of `knn` for rows without a neighbour that has the value.
        Some(Fill::Name(name)) if name == "mean" || name == "knn" => mean(),
        Some(Fill::Name(name)) if name == "mode" => mode(sorted),
        _ => median(sorted),
    }
}

/// Most frequent value; the smallest of several.
fn mode(sorted: &[f64]) -> f64 {
    let runs = sorted.chunk_by(|a, b| a.total_cmp(b).is_eq());
    let longest = runs.fold(&[][..], |best: &[f64], run| if run.len() > best.len() { run } else { best });
    longest.first().copied().unwrap_or(0.0)
}

/// `(shift, factor)` of a scaling, from the values and their moments after the curve.
fn scaling(scale: Scaling, filled: &[f64], moments: &Moments) -> (f64, f64) {
    match scale {
        Scaling::Robust => {
            let spread = quantile(filled, 0.75) - quantile(filled, 0.25);
            (quantile(filled, 0.5), if spread > CONSTANT { 1.0 / spread } else { 1.0 })
        }
        Scaling::Quantile | Scaling::RobustClip => (0.0, 1.0),
        Scaling::Power => moments.scaling(Scaling::Standard),
        other => moments.scaling(other),
    }
}

/// Distinct edges of `bins` bins that hold equal shares of the values. A constant gets one bin around it.
fn quantile_edges(sorted: &[f64], bins: usize) -> Vec<f64> {
    if sorted.is_empty() {
        return vec![0.0, 1.0];
    }
    let mut edges: Vec<f64> = (0..=bins).map(|i| quantile(sorted, i as f64 / bins as f64)).collect();
    edges.dedup();
    if edges.len() < 2 {
        edges = vec![edges[0] - 0.5, edges[0] + 0.5];
    }
    edges
}
