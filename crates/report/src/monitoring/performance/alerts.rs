//! Number of chunks with an alert.

use super::{PerformancePage, PerformanceValue};
use crate::text::several;

/// Number of chunks in which the realised value or the estimate of a metric is outside of its thresholds, which is bold in the
/// table.
fn alerts(page: &PerformancePage) -> usize {
    let alert = |own: &PerformanceValue| own.realised_alert || own.estimate_alert;
    let outside = |at: &usize| page.metrics.iter().any(|metric| metric.values.get(*at).is_some_and(alert));
    (0..page.chunks.len()).filter(outside).count()
}

/// Number of chunks with an alert as a paragraph; without a reference there are no alerts to count.
pub(super) fn alert_count(page: &PerformancePage) -> String {
    if page.reference.is_none() {
        let chunks = several(page.chunks.len() as u64, "chunk");
        return format!("<p>Alerts for {chunks} are not available.</p>");
    }
    format!(
        "<p class=\"goal\"><span class=\"dim\">chunks with an alert</span><b>{}</b> <span class=\"dim\">of {}</span></p>",
        alerts(page),
        page.chunks.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitoring::performance::{PerformanceChunk, PerformanceMetric};

    #[test]
    fn an_estimate_outside_counts_beside_a_realised_value_within() {
        let value = |realised_alert, estimate_alert| PerformanceValue {
            realised: Some(0.9),
            estimate: Some(0.7),
            realised_alert,
            estimate_alert,
            ..PerformanceValue::default()
        };
        let metric = |name: &str, values: [(bool, bool); 3]| PerformanceMetric {
            name: name.to_owned(),
            values: values.map(|(realised, estimate)| value(realised, estimate)).to_vec(),
        };
        let page = PerformancePage {
            reference: Some("holdout.csv".to_owned()),
            chunks: vec![PerformanceChunk::default(); 3],
            metrics: vec![
                metric("accuracy", [(false, false), (false, true), (false, false)]),
                metric("f1", [(false, false), (true, false), (true, false)]),
            ],
            ..PerformancePage::default()
        };
        assert_eq!(alerts(&page), 2);
    }
}
