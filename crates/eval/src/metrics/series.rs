//! Metrics of forecasts and of anomaly scores.

mod anomalies;
mod forecasts;
#[cfg(test)]
mod tests;

pub use anomalies::{ScoredRows, anomaly};
pub use forecasts::{ForecastRows, crps_of_ensemble, crps_of_quantiles, forecast, forecast_by_step, smape};

/// Quantile by linear interpolation, as in `numpy.quantile`.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let position = sorted.len().checked_sub(1)? as f64 * share;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64))
}
