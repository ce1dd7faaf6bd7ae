//! Vertical axes of metrics from 0 to 1.

use super::{PerformanceMetric, PerformanceValue};

/// Metrics with values from 0 to 1.
const BOUNDED: [&str; 7] =
    ["roc_auc", "f1", "precision", "recall", "specificity", "accuracy", "average_precision"];
/// Smallest range of the plot of such a metric.
const SPAN: f64 = 0.1;

/// Range of a metric from 0 to 1 whose values are closer together than [`SPAN`]; `None` for that of the data. A closer look
/// would show chance as ups and downs.
pub(super) fn bounded_range(metric: &PerformanceMetric) -> Option<(f64, f64)> {
    if !BOUNDED.contains(&metric.name.as_str()) {
        return None;
    }
    let of = |own: &PerformanceValue| {
        [
            own.realised,
            own.estimate,
            own.confidence[0],
            own.confidence[1],
            own.thresholds[0],
            own.thresholds[1],
        ]
    };
    let known = metric.values.iter().flat_map(of).flatten().filter(|value| value.is_finite());
    let (low, high) =
        known.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), own| (low.min(own), high.max(own)));
    if low > high || high - low >= SPAN {
        return None;
    }
    // The range stays within 0 and 1 unless a bound of the estimate is outside.
    let from = (f64::midpoint(low, high) - SPAN / 2.0).clamp(0.0, 1.0 - SPAN).min(low);
    Some((from, (from + SPAN).max(high)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, realised: &[f64]) -> PerformanceMetric {
        let value = |own: &f64| PerformanceValue { realised: Some(*own), ..PerformanceValue::default() };
        PerformanceMetric { name: name.into(), values: realised.iter().map(value).collect() }
    }

    #[test]
    fn a_bounded_metric_has_a_tenth_of_span_within_0_and_1() {
        let range = |name: &str, realised: &[f64]| bounded_range(&metric(name, realised));
        let near = |found: Option<(f64, f64)>, low: f64, high: f64| {
            found.is_some_and(|found| (found.0 - low).abs() < 1e-9 && (found.1 - high).abs() < 1e-9)
        };
        assert!(near(range("roc_auc", &[0.84, 0.86]), 0.8, 0.9));
        assert!(near(range("accuracy", &[0.99, 1.0]), 0.9, 1.0));
        assert!(near(range("f1", &[0.0, 0.02]), 0.0, 0.1));
        assert_eq!(range("f1", &[0.3, 0.5]), None);
        assert_eq!(range("mae", &[0.84, 0.86]), None);
        assert_eq!(range("f1", &[f64::NAN]), None);
    }
}
