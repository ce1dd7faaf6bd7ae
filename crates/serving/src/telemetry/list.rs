//! List of the metrics of a server, from which rules and dashboards are generated.

use std::collections::BTreeMap;

use cupola_monitor::alert::MetricSamples;

use super::{DURATION_BUCKETS, Telemetry};

/// Type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Count that only grows; its name ends with `_total`.
    Counter,
    /// Value that rises and falls.
    Gauge,
    /// Distribution with `_bucket`, `_sum` and `_count`.
    Histogram,
}

/// A metric of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricDescription {
    /// Name as a query has it; without `_bucket` for a histogram.
    pub name: String,
    /// Type.
    pub kind: MetricKind,
    /// Unit; `None` for plain numbers.
    pub unit: Option<String>,
    /// Meaning.
    pub help: String,
    /// Labels, as far as they are known without a request.
    pub labels: Vec<String>,
}

impl MetricDescription {
    /// `true` if its series have the name of a model. A metric without series is one of live monitoring, which has.
    pub fn has_model(&self) -> bool {
        self.labels.is_empty() || self.labels.iter().any(|label| label == "model")
    }

    /// Names of its series.
    pub fn series(&self) -> Vec<String> {
        match self.kind {
            MetricKind::Histogram => {
                ["_bucket", "_sum", "_count"].map(|ending| format!("{}{ending}", self.name)).to_vec()
            }
            _ => vec![self.name.clone()],
        }
    }
}

/// All metrics that a server registers, in the order of their output.
pub fn metric_list() -> Vec<MetricDescription> {
    let text = touched().text();
    let samples = MetricSamples::parse(&text).unwrap_or_default();
    let mut all: Vec<MetricDescription> = Vec::new();
    for line in text.lines() {
        let Some((keyword, name, rest)) = comment(line) else { continue };
        match keyword {
            "HELP" => all.push(MetricDescription {
                name: name.to_owned(),
                kind: MetricKind::Gauge,
                unit: None,
                // The encoder ends each help with a period.
                help: rest.trim_end_matches('.').to_owned(),
                labels: Vec::new(),
            }),
            "TYPE" => set_kind(all.last_mut(), rest, &samples),
            "UNIT" => {
                if let Some(last) = all.last_mut() {
                    last.unit = Some(rest.to_owned());
                }
            }
            _ => {}
        }
    }
    all
}

fn comment(line: &str) -> Option<(&str, &str, &str)> {
    let (keyword, rest) = line.strip_prefix("# ")?.split_once(' ')?;
    let (name, rest) = rest.split_once(' ')?;
    Some((keyword, name, rest))
}

fn set_kind(metric: Option<&mut MetricDescription>, kind: &str, samples: &MetricSamples) {
    let Some(metric) = metric else { return };
    metric.kind = match kind {
        "counter" => MetricKind::Counter,
        "histogram" => MetricKind::Histogram,
        _ => MetricKind::Gauge,
    };
    if metric.kind == MetricKind::Counter {
        metric.name.push_str("_total");
    }
    let series = metric.series();
    let first = series.iter().find_map(|name| samples.of(name).first());
    let labels = first.into_iter().flat_map(|sample| sample.labels.keys());
    metric.labels = labels.filter(|label| *label != "le").cloned().collect();
}

/// Telemetry in which each metric has a series: metrics without one are left out of the text.
fn touched() -> Telemetry {
    let telemetry = Telemetry::new();
    let (name, version) = ("m", 1);
    let model = telemetry.model(name, version);
    model.record_request(0.0);
    telemetry.count_response(name, 200);
    telemetry.set_loaded(name, version, true);
    telemetry.set_created(name, version, 0);
    telemetry.count_feedback(name, 0);
    telemetry.count_reload_failure(name);
    telemetry.count_shadow(name, version, true);
    telemetry.alerts.count("receiver", "sent");
    telemetry.alerts.set_waiting("receiver", 0);
    telemetry.alerts.touch();
    telemetry.outcomes.count_number(name, version, "target", 0.0);
    telemetry.outcomes.count_match(name, "joined");
    telemetry.limits.set(true, 1);
    telemetry.gpu.touch();
    telemetry.set_queue_shares(&BTreeMap::from([(name, model.recent_times())]));
    telemetry
}

/// Label `le` of a bucket of durations as the server writes it; `None` for a time that is no bound.
pub fn duration_bound(seconds: f64) -> Option<String> {
    let index = DURATION_BUCKETS.iter().position(|bound| (bound - seconds).abs() < 1e-9)?;
    let samples = MetricSamples::parse(&touched().text()).unwrap_or_default();
    samples
        .of("cupola_request_duration_seconds_bucket")
        .get(index)
        .map(|sample| sample.label("le").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sources in which metrics are registered.
    const SOURCES: [&str; 5] = [
        include_str!("../telemetry.rs"),
        include_str!("alerts.rs"),
        include_str!("gpu/metrics.rs"),
        include_str!("limits.rs"),
        include_str!("outcomes.rs"),
    ];

    /// Endings that the encoder adds to the name of a metric.
    const ENDINGS: [&str; 7] = ["", "_total", "_seconds", "_seconds_total", "_bytes", "_watts", "_celsius"];

    #[test]
    fn every_registered_metric_is_listed_with_its_type() {
        let list = metric_list();
        let names: Vec<&str> = list.iter().map(|metric| metric.name.as_str()).collect();
        let literals = SOURCES.iter().flat_map(|source| source.split('"').skip(1).step_by(2));
        let registered: Vec<&str> = literals.filter(|text| text.starts_with("cupola_")).collect();
        assert!(registered.len() > 15, "{registered:?}");
        for name in registered {
            let listed = |listed: &&&str| {
                let rest = listed.strip_prefix(name);
                rest.is_some_and(|rest| ENDINGS.contains(&rest))
            };
            assert!(names.iter().any(|name| listed(&name)), "{name} is not in {names:?}");
        }
        let of = |name: &str| list.iter().find(|metric| metric.name == name).unwrap();
        assert_eq!(of("cupola_requests_total").kind, MetricKind::Counter);
        assert_eq!(of("cupola_requests_total").labels, ["code", "model"]);
        assert_eq!(of("cupola_request_duration_seconds").kind, MetricKind::Histogram);
        assert_eq!(of("cupola_request_duration_seconds").unit.as_deref(), Some("seconds"));
        assert_eq!(of("cupola_model_loaded").help, "1 for a loaded version");
    }

    #[test]
    fn bounds_are_spelled_as_the_server_writes_them() {
        assert_eq!(duration_bound(0.25).as_deref(), Some("0.25"));
        assert_eq!(duration_bound(1.0).as_deref(), Some("1.0"));
        assert_eq!(duration_bound(0.3), None);
    }
}
