//! Metrics of forecasts, over all steps and by step.

use super::super::regression::{RegressionRows, pinball, regression, sums_of_rows, weighted_mean};
use super::super::undefined::Undefined;
use super::super::{MetricSet, Metrics, NamedValues};

/// Metrics of forecasts `[rows, horizon]` in the units of the target, with a weight for each row or `None` for equal
/// ones: those of a regression over all rows and steps, `mase`, `smape`, `crps` and the RMSE of each step. `mase`
/// (Hyndman and Koehler 2006) is the mean absolute error divided by `naive`, the error of repeating the value one
/// season before. `crps` of these forecasts, which are points, equals `mae`.
pub fn forecast(
    targets: &[f64],
    predicted: &[f64],
    horizon: usize,
    naive: Option<f64>,
    weights: Option<&[f64]>,
    set: MetricSet,
) -> Metrics {
    let horizon = horizon.max(1);
    let rows = targets.len().min(predicted.len()) / horizon;
    let values = if set == MetricSet::All {
        ForecastRows::new(targets, predicted, horizon, naive).metrics(weights)
    } else {
        let each = step_weights(weights, horizon);
        let found = regression(targets, predicted, each.as_deref(), set);
        let mut metrics = Metrics { rows, ..found };
        let mae = metrics.values.get("mae").copied().ok_or(Undefined::NoRows);
        if let Some((name, value)) = mase(mae, naive) {
            metrics.insert(name, value);
        }
        metrics.steps = step_errors(targets, predicted, horizon, weights);
        return metrics;
    };
    Metrics { steps: step_errors(targets, predicted, horizon, weights), ..Metrics::of(rows, values) }
}

/// Forecasts `[rows, horizon]`, prepared so that [`Self::metrics`] is a pass over the values for each set of weights.
#[derive(Debug, Clone)]
pub struct ForecastRows<'a> {
    targets: &'a [f64],
    predicted: &'a [f64],
    horizon: usize,
    naive: Option<f64>,
    values: RegressionRows<'a>,
}

impl<'a> ForecastRows<'a> {
    /// Forecasts in the units of the target; `naive` is the error of repeating the value one season before.
    pub fn new(targets: &'a [f64], predicted: &'a [f64], horizon: usize, naive: Option<f64>) -> Self {
        let values = RegressionRows::new(targets, predicted);
        Self { targets, predicted, horizon: horizon.max(1), naive, values }
    }

    /// All metrics of [`forecast`] but those by step, with a weight for each row or 1 for all.
    pub fn metrics(&self, weights: Option<&[f64]>) -> NamedValues {
        let weights = step_weights(weights, self.horizon);
        let mut values = self.values.metrics(weights.as_deref());
        let mae = values.iter().find(|(name, _)| *name == "mae").map(|(_, value)| value.clone());
        let mae = mae.unwrap_or(Err(Undefined::NoRows));
        // After the metrics that are followed during training.
        values.splice(3..3, mase(mae.clone(), self.naive));
        values.push(("smape", smape(self.targets, self.predicted, weights.as_deref())));
        values.push(("crps", mae));
        values
    }
}

/// Metrics of forecasts `[rows, horizon]` for each step ahead: `mae`, `rmse`, `mase`, `smape`, `mape`, `r2` and
/// `crps`, which equals `mae`.
pub fn forecast_by_step(
    targets: &[f64],
    predicted: &[f64],
    horizon: usize,
    naive: Option<f64>,
    weights: Option<&[f64]>,
) -> Vec<(&'static str, Vec<Result<f64, Undefined>>)> {
    let horizon = horizon.max(1);
    let mut out: Vec<(&'static str, Vec<Result<f64, Undefined>>)> = Vec::new();
    for step in 0..horizon {
        let of_step =
            |values: &[f64]| values.iter().skip(step).step_by(horizon).copied().collect::<Vec<f64>>();
        let (targets, predicted) = (of_step(targets), of_step(predicted));
        let found = sums_of_rows(&targets, &predicted, weights).values();
        let value = |name: &str| {
            let found = found.iter().find(|(own, _)| *own == name);
            found.map_or(Err(Undefined::NoRows), |(_, value)| value.clone())
        };
        let mut each = vec![("mae", value("mae")), ("rmse", value("rmse"))];
        each.extend(mase(value("mae"), naive));
        each.push(("smape", smape(&targets, &predicted, weights)));
        each.extend([("mape", value("mape")), ("r2", value("r2")), ("crps", value("mae"))]);
        for (index, (name, value)) in each.into_iter().enumerate() {
            match out.get_mut(index) {
                Some((_, steps)) => steps.push(value),
                None => out.push((name, vec![value])),
            }
        }
    }
    out
}

/// Symmetric mean absolute percentage error as a share, from 0 to 2: the mean of `2 |target - forecast| / (|target| +
/// |forecast|)` (Makridakis 1993, as in the M4 competition). A term with both 0 is 0.
///
/// # Errors
/// [`Undefined::NoRows`], [`Undefined::NotFinite`].
pub fn smape(targets: &[f64], predicted: &[f64], weights: Option<&[f64]>) -> Result<f64, Undefined> {
    let term = |(target, predicted): (&f64, &f64)| {
        let size = target.abs() + predicted.abs();
        if size == 0.0 { 0.0 } else { 2.0 * (target - predicted).abs() / size }
    };
    weighted_mean(targets.iter().zip(predicted).map(term), weights)
}

/// Mean continuous ranked probability score of ensembles `[rows, members]` (Gneiting and Raftery 2007, equation 21):
/// the mean distance of the members from the target less half their mean distance from each other. An ensemble of one
/// member has its absolute error.
///
/// # Errors
/// [`Undefined::NoRows`], [`Undefined::NotFinite`].
pub fn crps_of_ensemble(
    targets: &[f64],
    ensembles: &[f64],
    members: usize,
    weights: Option<&[f64]>,
) -> Result<f64, Undefined> {
    let score = |(target, ensemble): (&f64, &[f64])| {
        let mut sorted = ensemble.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let count = members as f64;
        let distance: f64 = sorted.iter().map(|member| (member - target).abs()).sum();
        // A member of rank i from 0 is the larger one in i pairs and the smaller one in the others.
        let ranked = sorted.iter().enumerate();
        let spread: f64 = ranked.map(|(i, member)| (2.0 * i as f64 + 1.0 - count) * member).sum();
        distance / count - spread / (count * count)
    };
    weighted_mean(targets.iter().zip(ensembles.chunks_exact(members.max(1))).map(score), weights)
}

/// Mean continuous ranked probability score of forecast quantiles `[rows, levels]`: twice the pinball loss, averaged
/// over the levels (Laio and Tamea 2007). It approaches the exact score as evenly spread levels grow in number.
///
/// # Errors
/// [`Undefined::NoRows`], [`Undefined::NotFinite`].
pub fn crps_of_quantiles(
    targets: &[f64],
    quantiles: &[f64],
    levels: &[f64],
    weights: Option<&[f64]>,
) -> Result<f64, Undefined> {
    let mut sum = 0.0;
    for (index, level) in levels.iter().enumerate() {
        let values: Vec<f64> = quantiles.iter().skip(index).step_by(levels.len()).copied().collect();
        sum += 2.0 * pinball(targets, &values, *level, weights)?;
    }
    if levels.is_empty() { Err(Undefined::NoRows) } else { Ok(sum / levels.len() as f64) }
}

/// `mase`, where the error of the naive forecast is known.
fn mase(mae: Result<f64, Undefined>, naive: Option<f64>) -> Option<(&'static str, Result<f64, Undefined>)> {
    let naive = naive?;
    let divided = |mae: f64| if naive > 0.0 { Ok(mae / naive) } else { Err(Undefined::NaiveWithoutError) };
    Some(("mase", mae.and_then(divided)))
}

/// RMSE of each step; NaN where it is undefined.
fn step_errors(targets: &[f64], predicted: &[f64], horizon: usize, weights: Option<&[f64]>) -> Vec<f64> {
    let error = |step: usize| {
        let squared = targets.iter().zip(predicted).skip(step).step_by(horizon).map(|(t, p)| (p - t).powi(2));
        weighted_mean(squared, weights).map_or(f64::NAN, f64::sqrt)
    };
    (0..horizon).map(error).collect()
}

/// Weights of rows as weights of their steps.
fn step_weights(weights: Option<&[f64]>, horizon: usize) -> Option<Vec<f64>> {
    weights.map(|weights| weights.iter().flat_map(|weight| std::iter::repeat_n(*weight, horizon)).collect())
}
