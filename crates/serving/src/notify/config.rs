//! Rules and receivers from the config of a server.

use cupola_monitor::alert::{AlertCondition, AlertRule, DriftScope, GroupTimings, MetricComparison};
use cupola_spec::{Alert, AlertSettings, AlertWhen, Serve};

use crate::error::Error;
use crate::telemetry::DURATION_BUCKETS;

/// Rules that a config declares.
///
/// # Errors
/// [`Error::Alerts`] for an invalid rule, or two of one name.
pub fn alert_rules(spec: &Serve) -> Result<Vec<AlertRule>, Error> {
    let mut rules: Vec<AlertRule> = Vec::new();
    for alert in &spec.alert_rules {
        let rule = rule(alert)?;
        rule.check().map_err(|error| Error::Alerts(error.to_string()))?;
        if rules.iter().any(|other| other.name == rule.name) {
            return Err(Error::Alerts(format!("two alerts have the name `{}`; rename one", rule.name)));
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn rule(alert: &Alert) -> Result<AlertRule, Error> {
    let condition = match &alert.when {
        AlertWhen::Drift { column: Some(column), .. } => {
            AlertCondition::Drift { scope: DriftScope::Column(column.clone()) }
        }
        AlertWhen::Drift { column: None, share } => {
            AlertCondition::Drift { scope: DriftScope::Share(*share) }
        }
        AlertWhen::Latency { objective, within_ms, requests } => AlertCondition::Latency {
            objective: *objective,
            within: bound(&alert.name, within_ms / 1_000.0)?,
            requests: *requests,
        },
        AlertWhen::Errors { objective, requests } => {
            AlertCondition::Errors { objective: *objective, requests: *requests }
        }
        AlertWhen::Age { longer_than } => AlertCondition::Age { limit: longer_than.seconds() },
        AlertWhen::Idle { longer_than } => AlertCondition::Idle { limit: longer_than.seconds() },
        AlertWhen::Accuracy { below, window, rows } => {
            AlertCondition::Accuracy { least: *below, window: window.seconds(), rows: *rows }
        }
        AlertWhen::MeanError { above, window, rows } => {
            AlertCondition::MeanError { most: *above, window: window.seconds(), rows: *rows }
        }
        AlertWhen::Feedback { below, window, requests } => {
            AlertCondition::Feedback { least: *below, window: window.seconds(), requests: *requests }
        }
        AlertWhen::Metric { metric, labels, above, below } => {
            let (comparison, bound) = match (above, below) {
                (Some(bound), None) => (MetricComparison::Above, *bound),
                (None, Some(bound)) => (MetricComparison::Below, *bound),
                _ => {
                    let name = &alert.name;
                    let message = format!("alert `{name}` compares a metric; give `above` or `below`");
                    return Err(Error::Alerts(message));
                }
            };
            AlertCondition::Metric { metric: metric.clone(), labels: labels.clone(), comparison, bound }
        }
    };
    Ok(AlertRule {
        name: alert.name.clone(),
        model: alert.model.clone(),
        condition,
        hold: alert.hold.map_or(0.0, cupola_spec::TimeSpan::seconds),
        severity: alert.severity.clone(),
        summary: alert.summary.clone(),
    })
}

/// Bound of the histogram of durations; between bounds, requests cannot be counted.
fn bound(name: &str, seconds: f64) -> Result<f64, Error> {
    let found = DURATION_BUCKETS.into_iter().find(|bound| (bound - seconds).abs() < 1e-9);
    found.ok_or_else(|| {
        let all: Vec<String> =
            DURATION_BUCKETS.iter().map(|bound| format!("{}", (bound * 1e6).round() / 1e3)).collect();
        Error::Alerts(format!(
            "alert `{name}`: `within_ms = {}` is not a bound of the histogram; use one of {}",
            seconds * 1_000.0,
            all.join(", ")
        ))
    })
}

/// Grouping of notifications.
pub(super) fn timings(settings: &AlertSettings) -> GroupTimings {
    GroupTimings {
        by: settings.group_by.clone(),
        wait: settings.group_wait.seconds(),
        interval: settings.group_interval.seconds(),
        repeat: settings.repeat.seconds(),
    }
}
