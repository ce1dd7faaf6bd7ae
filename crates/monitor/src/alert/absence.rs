//! Alerts of rules on metrics whose series is missing.
//!
//! Many series appear with their first event. After a restart of the server they are missing, which tells nothing about
//! the condition.

use super::condition::{RuleFinding, RuleVerdict};
use super::rule::{AlertCondition, AlertRule};
use super::samples::MetricSamples;
use super::state::{ActiveAlert, AlertState};

/// Undecided findings for the alerts of a rule on a metric that none of its findings is about. There are none for alerts of
/// models and versions that are not loaded any more, which end.
pub(super) fn missing_series<'a>(
    rule: &AlertRule,
    found: &[RuleFinding],
    alerts: impl Iterator<Item = &'a ActiveAlert>,
    samples: &MetricSamples,
) -> Vec<RuleFinding> {
    let AlertCondition::Metric { metric, labels, .. } = &rule.condition else { return Vec::new() };
    let of_rule = |alert: &ActiveAlert| {
        let label = |name: &str| alert.labels.get(name).map_or("", String::as_str);
        label("alertname") == rule.name
            && rule.model.as_deref().is_none_or(|model| label("model") == model)
            && labels.iter().all(|(name, value)| label(name) == value)
            && rule.severity.as_deref().is_none_or(|severity| label("severity") == severity)
    };
    let missing = alerts.filter(|alert| {
        alert.state != AlertState::Resolved
            && of_rule(alert)
            && !found.iter().any(|finding| finding.labels == alert.labels)
            && !is_unloaded(alert, samples)
    });
    let findings = missing.map(|alert| RuleFinding {
        labels: alert.labels.clone(),
        verdict: RuleVerdict::Unknown,
        value: None,
        summary: format!("{metric} has no series with the labels of the alert; it stays as it was"),
    });
    findings.collect()
}

/// `true` if the model or the version of an alert is not loaded, as far as the metrics tell.
fn is_unloaded(alert: &ActiveAlert, samples: &MetricSamples) -> bool {
    let Some(model) = alert.labels.get("model") else { return false };
    let mut loaded = samples.of("cupola_model_loaded").iter().filter(|sample| sample.value > 0.0).peekable();
    let version = alert.labels.get("version");
    loaded.peek().is_some()
        && !loaded.any(|sample| {
            sample.label("model") == model && version.is_none_or(|version| sample.label("version") == version)
        })
}
