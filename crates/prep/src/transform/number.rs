//! Numbers: filled, kept within bounds, bent, then scaled or encoded by bins.

use cupola_spec::{Fill, Input, OutlierAction, OutlierRule, Scaling};
use serde::{Deserialize, Serialize};

use super::curve::Curve;
use crate::error::Error;
use crate::examples::{Filling, Step};
use crate::frame::{Frame, SEND, finite};
use crate::stats::{Moments, Sketch, median, quantile};

/// `(curve(value or fill, within bounds) - shift) * factor`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedNumber {
    /// The column.
    pub column: String,
    /// Stands for a missing value.
    pub fill: f64,
    /// Whether one more column is 1 where the value is missing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub indicator: bool,
    /// Values below or above are far out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<[f64; 2]>,
    /// What happens to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outliers: Option<OutlierAction>,
    /// What the value is bent by, before it is shifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curve: Option<Curve>,
    /// Subtracted.
    pub shift: f64,
    /// Multiplied then; 1 for a constant column.
    pub factor: f64,
    /// Edges of the bins of a piecewise-linear encoding, which takes the place of the scaling.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<f64>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A number that is being fitted: it has seen some rows.
#[derive(Debug)]
pub(crate) struct NumberFit {
    column: String,
    seen: Sketch,
}

impl NumberFit {
    /// `exact`: whether all values may be kept.
    pub fn new(column: &str, exact: bool) -> Self {
        Self { column: column.to_owned(), seen: Sketch::new(exact) }
    }

    pub fn column(&self) -> &str {
        &self.column
    }

    pub fn see(&mut self, frame: &Frame) -> Result<(), Error> {
        let values = frame.require(&self.column, SEND)?;
        for row in 0..frame.rows() {
            self.seen.add(finite(&self.column, values, row)?);
        }
        Ok(())
    }

    pub fn finish(self, input: &Input) -> FittedNumber {
        let missing = self.seen.missing();
        let raw = self.seen.moments();
        let mut sorted = self.seen.sorted();
        // Whole rows are the forest's matter.
        let outliers = input.outliers.filter(|outliers| outliers.by != OutlierRule::Isolation);
        let action = outliers.map(|outliers| outliers.action);
        let bounds = outliers.map(|outliers| bounds(&outliers, &sorted, &raw));
        let inside = |value: f64| bounds.is_none_or(|[low, high]| (low..=high).contains(&value));
        let mut exact = Some(raw);
        match action {
            Some(OutlierAction::Clip) => {
                let [low, high] = bounds.unwrap_or([f64::MIN, f64::MAX]);
                for value in &mut sorted {
                    *value = value.clamp(low, high);
                }
                exact = None;
            }
            // What is treated as missing, or dropped, teaches nothing.
            Some(OutlierAction::Missing | OutlierAction::Drop) => {
                sorted.retain(|value| inside(*value));
                exact = None;
            }
            Some(OutlierAction::Flag) | None => {}
        }
        let fill = filling(input.fill.as_ref(), &sorted, exact.as_ref());
        let scale = input.scale.unwrap_or(Scaling::Standard);
        // As if the missing values had been filled before.
        let full = self.seen_full(&sorted, missing, fill);
        let curve = Curve::fit(scale, &full);
        let moments = match (&curve, exact) {
            (None, Some(mut moments)) => {
                moments.add_many(fill, missing);
                moments
            }
            _ => {
                full.iter().map(|value| curve.as_ref().map_or(*value, |curve| curve.apply(*value))).collect()
            }
        };
        let (shift, factor) = match scale {
            Scaling::Robust => {
                let spread = quantile(&full, 0.75) - quantile(&full, 0.25);
                (quantile(&full, 0.5), if spread > 1e-12 { 1.0 / spread } else { 1.0 })
            }
            Scaling::Quantile => (0.0, 1.0),
            Scaling::Power => moments.scaling(Scaling::Standard),
            other => moments.scaling(other),
        };
        let edges = input.bins.map_or_else(Vec::new, |bins| quantile_edges(&full, bins));
        let indicator = input.indicator == Some(true);
        FittedNumber {
            column: self.column,
            fill,
            indicator,
            bounds,
            outliers: action,
            curve,
            shift,
            factor,
            edges,
        }
    }

    /// Sorted values with the filled ones among them. Where the values are a sketch's, the filled ones are
    /// as many as their share.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn seen_full(&self, sorted: &[f64], missing: usize, fill: f64) -> Vec<f64> {
        let share = sorted.len() as f64 / self.seen.present().max(1) as f64;
        let filled = if share >= 1.0 { missing } else { (missing as f64 * share).round() as usize };
        let mut full = Vec::with_capacity(sorted.len() + filled);
        let at = sorted.partition_point(|value| *value < fill);
        full.extend_from_slice(&sorted[..at]);
        full.extend(std::iter::repeat_n(fill, filled));
        full.extend_from_slice(&sorted[at..]);
        full
    }
}

/// What stands for a missing value.
fn filling(fill: Option<&Fill>, sorted: &[f64], exact: Option<&Moments>) -> f64 {
    let mean = || match exact {
        Some(moments) => moments.mean(),
        None => sorted.iter().sum::<f64>() / sorted.len().max(1) as f64,
    };
    match fill {
        Some(Fill::Number(number)) => *number,
        // The nearest rows stand in for it; where they have none, their mean.
        Some(Fill::Name(name)) if name == "mean" || name == "knn" => mean(),
        Some(Fill::Name(name)) if name == "mode" => mode(sorted),
        _ => median(sorted),
    }
}

/// The most frequent value, the smallest of several.
fn mode(sorted: &[f64]) -> f64 {
    let runs = sorted.chunk_by(|a, b| a.total_cmp(b).is_eq());
    let longest = runs.fold(&[][..], |best: &[f64], run| if run.len() > best.len() { run } else { best });
    longest.first().copied().unwrap_or(0.0)
}

fn bounds(outliers: &cupola_spec::Outliers, sorted: &[f64], moments: &Moments) -> [f64; 2] {
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

impl FittedNumber {
    /// Columns of the encoding by bins; 0 where it is only scaled.
    fn bins(&self) -> usize {
        self.edges.len().saturating_sub(1)
    }

    fn flags(&self) -> bool {
        self.outliers == Some(OutlierAction::Flag)
    }

    /// Scaled numbers of the table that it makes: 0 where it is encoded by bins.
    pub(crate) fn numbers(&self) -> usize {
        usize::from(self.bins() == 0)
    }

    /// Its encoded columns: bins, the indicator, the flag.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Step> {
        let width = self.bins() + usize::from(self.indicator) + usize::from(self.flags());
        (width > 0).then_some(Step::Copy(width)).into_iter()
    }

    /// Marks the rows that training leaves out for this value.
    pub(crate) fn drop_into(&self, frame: &Frame, far: &mut [bool]) -> Result<(), Error> {
        let (Some(OutlierAction::Drop), Some([low, high])) = (self.outliers, self.bounds) else {
            return Ok(());
        };
        let values = frame.require(&self.column, SEND)?;
        for (row, far) in far.iter_mut().enumerate() {
            let value = finite(&self.column, values, row)?;
            *far |= value.is_some_and(|value| !(low..=high).contains(&value));
        }
        Ok(())
    }

    /// Writes its columns; `nearest` are the values that stand for missing ones, row by row.
    pub(crate) fn apply(
        &self,
        frame: &Frame,
        nearest: Option<&[f64]>,
        out: &mut Filling,
    ) -> Result<(), Error> {
        let values = frame.require(&self.column, SEND)?;
        let (bins, flags) = (self.bins(), self.flags());
        let number = (bins == 0).then(|| out.take_number());
        let width = bins + usize::from(self.indicator) + usize::from(flags);
        let at = out.take_encoded(width);
        for row in 0..frame.rows() {
            let found = finite(&self.column, values, row)?;
            let far = match (found, self.bounds) {
                (Some(value), Some([low, high])) => !(low..=high).contains(&value),
                _ => false,
            };
            let fill = || nearest.map_or(self.fill, |nearest| nearest[row]);
            let mut value = match (found, self.outliers) {
                (Some(_), Some(OutlierAction::Missing)) if far => fill(),
                (Some(value), _) => value,
                (None, _) => fill(),
            };
            if let (Some(OutlierAction::Clip), Some([low, high])) = (self.outliers, self.bounds) {
                value = value.clamp(low, high);
            }
            if let Some(number) = number {
                let bent = self.curve.as_ref().map_or(value, |curve| curve.apply(value));
                out.set_dense(row, number, (bent - self.shift) * self.factor);
            }
            for (bin, edges) in self.edges.windows(2).enumerate() {
                out.set_dense(row, at + bin, share(value, edges[0], edges[1], bin == 0, bin + 1 == bins));
            }
            if self.indicator && found.is_none() {
                out.set_dense(row, at + bins, 1.0);
            }
            if flags && far {
                out.set_dense(row, at + width - 1, 1.0);
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

/// Different edges of `bins` bins of equal share of sorted values; a constant gets one bin around it.
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
