//! Number of chunks with an alert.

use super::{PerformancePage, PerformanceValue};
use crate::text::several;

/// Number of chunks in which a metric is outside of its thresholds.
fn alerts(page: &PerformancePage) -> usize {
    let outside = |at: &usize| {
        page.metrics.iter().any(|metric| metric.values.get(*at).is_some_and(PerformanceValue::alert))
    };
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
