//! Metrics of forecasts and of anomaly scores.

use indexmap::IndexMap;

use crate::Metrics;
use crate::classification::roc_auc;
use crate::regression::regression;

/// Reported quantiles of anomaly scores.
const QUANTILES: [(&str, f64); 3] = [("score_p50", 0.5), ("score_p95", 0.95), ("score_p99", 0.99)];

/// Metrics of forecasts `[rows, horizon]` in the units of the target: those of a regression over all
/// rows and steps, `mase` and the RMSE of each step. `mase` (Hyndman and Koehler 2006) is the mean
/// absolute error divided by `naive`, the error of repeating the value one season before.
#[allow(clippy::cast_precision_loss)]
pub fn forecast(targets: &[f64], predicted: &[f64], horizon: usize, naive: Option<f64>) -> Metrics {
    let mut metrics = regression(targets, predicted);
    let rows = targets.len() / horizon.max(1);
    if let (Some(naive), Some(mae)) = (naive, metrics.values.get("mae").copied()) {
        metrics.values.insert("mase".to_owned(), mae / naive);
    }
    let step = |ahead: usize| {
        let errors = (0..rows).map(|row| targets[row * horizon + ahead] - predicted[row * horizon + ahead]);
        (errors.map(|error| error * error).sum::<f64>() / rows as f64).sqrt()
    };
    Metrics { rows, steps: (0..horizon).map(step).collect(), ..metrics }
}

/// Metrics of anomaly scores: their quantiles and, with labels (`true` for an anomaly), `roc_auc`
/// and scikit-learn's `average_precision`.
#[allow(clippy::cast_possible_truncation)]
pub fn anomaly(scores: &[f64], labels: &[bool]) -> Metrics {
    let mut values = IndexMap::new();
    if labels.len() == scores.len() {
        let narrow: Vec<f32> = scores.iter().map(|&score| score as f32).collect();
        let found =
            [("roc_auc", roc_auc(labels, &narrow)), ("average_precision", average_precision(scores, labels))];
        for (name, value) in found {
            values.extend(value.map(|value| (name.to_owned(), value)));
        }
    }
    let mut sorted = scores.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    for (name, share) in QUANTILES {
        values.extend(quantile(&sorted, share).map(|value| (name.to_owned(), value)));
    }
    Metrics { rows: scores.len(), values, ..Metrics::default() }
}

/// Quantile by linear interpolation, as in `numpy.quantile`.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let position = sorted.len().checked_sub(1)? as f64 * share;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64))
}

/// Precision summed over the increases of recall along the ranked scores. Rows with equal scores
/// count together. `None` without anomalies.
#[allow(clippy::cast_precision_loss)]
fn average_precision(scores: &[f64], labels: &[bool]) -> Option<f64> {
    let positives = labels.iter().filter(|label| **label).count();
    if positives == 0 {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let (mut sum, mut hits, mut seen, mut at) = (0.0, 0_usize, 0_usize, 0);
    while at < order.len() {
        let score = scores[order[at]];
        let before = hits;
        while at < order.len() && scores[order[at]].total_cmp(&score).is_eq() {
            hits += usize::from(labels[order[at]]);
            seen += 1;
            at += 1;
        }
        sum += (hits - before) as f64 / positives as f64 * (hits as f64 / seen as f64);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found}, expected {expected}");
    }

    #[test]
    fn a_forecast_has_an_error_per_step_and_relative_to_the_naive_one() {
        // Errors of 1 and 3 at the first step, 0 and 2 at the second.
        let found = forecast(&[1.0, 2.0, 3.0, 4.0], &[2.0, 2.0, 6.0, 6.0], 2, Some(2.0));
        assert_eq!(found.rows, 2);
        close(found.steps[0], 5.0_f64.sqrt());
        close(found.steps[1], 2.0_f64.sqrt());
        close(found.values["mae"], 1.5);
        close(found.values["mase"], 0.75);
    }

    #[test]
    fn anomaly_metrics_equal_scikit_learn() {
        let golden: Value = serde_json::from_str(include_str!("golden/metrics.json")).unwrap();
        let case = &golden["anomaly"];
        let scores: Vec<f64> = serde_json::from_value(case["scores"].clone()).unwrap();
        let labels: Vec<bool> = serde_json::from_value(case["labels"].clone()).unwrap();
        let found = anomaly(&scores, &labels);
        for (name, expected) in case["expected"].as_object().unwrap() {
            close(found.values[name.as_str()], expected.as_f64().unwrap());
        }
        assert!(!anomaly(&scores, &[]).values.contains_key("roc_auc"));
        assert!(anomaly(&[], &[]).values.is_empty());
    }
}
